-- The next version of a dataset, and documents that stay out of every version to come.
CREATE TABLE exclusions (
    id uuid PRIMARY KEY,
    dataset_id uuid NOT NULL REFERENCES datasets,
    -- Newly excluded by it; documents that were out already are not counted again.
    documents bigint NOT NULL CHECK (documents >= 0),
    made_by uuid NOT NULL REFERENCES users,
    made_at timestamptz NOT NULL
);
CREATE INDEX exclusions_by_dataset ON exclusions (dataset_id);
CREATE INDEX exclusions_by_maker ON exclusions (made_by);
CREATE TRIGGER exclusions_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON exclusions
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE TABLE excluded_documents (
    dataset_id uuid NOT NULL REFERENCES datasets,
    -- Over the document's text with white space collapsed: the same text is the same document in any format.
    sha256 bytea NOT NULL CHECK (octet_length(sha256) = 32),
    exclusion_id uuid NOT NULL REFERENCES exclusions,
    PRIMARY KEY (dataset_id, sha256)
);
CREATE INDEX excluded_documents_by_exclusion ON excluded_documents (exclusion_id);
CREATE TRIGGER excluded_documents_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON excluded_documents
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- A file of an earlier version, carried into a later one without what is excluded.
CREATE TABLE carried_files (
    -- The file as it was.
    source_file_id uuid NOT NULL REFERENCES dataset_files,
    -- The file as it is now; it has no documents left where kept is 0.
    file_id uuid PRIMARY KEY REFERENCES dataset_files,
    documents_kept bigint NOT NULL CHECK (documents_kept >= 0),
    documents_dropped bigint NOT NULL CHECK (documents_dropped >= 0),
    -- Each document that was left out, once for each time it stood there.
    dropped_sha256 bytea[] NOT NULL,
    carried_at timestamptz NOT NULL,
    CONSTRAINT every_drop_is_named CHECK (documents_dropped = cardinality(dropped_sha256)),
    CONSTRAINT carried_elsewhere CHECK (source_file_id <> file_id)
);
CREATE INDEX carried_files_by_source ON carried_files (source_file_id);
CREATE TRIGGER carried_files_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON carried_files
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- One version at a time is being made: the reviews of a dataset are about its newest one.
CREATE UNIQUE INDEX dataset_versions_one_open ON dataset_versions (dataset_id)
    WHERE status IN ('draft', 'submitted', 'changes_requested');
