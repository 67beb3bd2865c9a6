-- The registry: a dataset, its versions, their files and the review.
CREATE TABLE datasets (
    id uuid PRIMARY KEY,
    institution_id uuid NOT NULL REFERENCES institutions,
    title text NOT NULL CHECK (char_length(title) BETWEEN 1 AND 200),
    description text NOT NULL CHECK (char_length(description) <= 5000),
    language text NOT NULL CHECK (language ~ '^[a-z]{2,3}$'),
    license text NOT NULL CHECK (char_length(license) BETWEEN 1 AND 100),
    source text NOT NULL CHECK (char_length(source) <= 500),
    right_holder text NOT NULL CHECK (char_length(right_holder) BETWEEN 1 AND 200),
    has_personal_data boolean NOT NULL,
    personal_data_basis text CHECK (char_length(personal_data_basis) <= 500),
    confidentiality text NOT NULL CHECK (confidentiality IN ('public', 'internal', 'confidential')),
    created_by uuid NOT NULL REFERENCES users,
    created_at timestamptz NOT NULL,
    CONSTRAINT personal_data_says_basis CHECK (has_personal_data = (personal_data_basis IS NOT NULL))
);
CREATE INDEX datasets_by_institution ON datasets (institution_id, id);

CREATE TABLE dataset_versions (
    id uuid PRIMARY KEY,
    dataset_id uuid NOT NULL REFERENCES datasets,
    number integer NOT NULL CHECK (number >= 1),
    status text NOT NULL CHECK (status IN ('draft', 'submitted', 'changes_requested', 'rejected', 'approved', 'withdrawn')),
    -- SHA-256 over the sorted list of (path, size, sha256); set at submission, never changed afterwards.
    manifest_sha256 text CHECK (manifest_sha256 ~ '^[0-9a-f]{64}$'),
    submitted_by uuid REFERENCES users,
    submitted_at timestamptz,
    decided_at timestamptz,
    created_at timestamptz NOT NULL,
    UNIQUE (dataset_id, number),
    CONSTRAINT submitted_is_frozen CHECK (status IN ('draft', 'changes_requested', 'withdrawn')
        OR (manifest_sha256 IS NOT NULL AND submitted_by IS NOT NULL AND submitted_at IS NOT NULL))
);
CREATE INDEX dataset_versions_by_dataset ON dataset_versions (dataset_id);

-- Decisions of the reviewers, append-only.
CREATE TABLE reviews (
    id uuid PRIMARY KEY,
    dataset_version_id uuid NOT NULL REFERENCES dataset_versions,
    -- Which submission it is about: a version that was returned is reviewed afresh.
    submitted_at timestamptz NOT NULL,
    kind text NOT NULL CHECK (kind IN ('data', 'legal')),
    decision text NOT NULL CHECK (decision IN ('approved', 'returned', 'rejected')),
    reason text NOT NULL DEFAULT '' CHECK (char_length(reason) <= 2000),
    submitted_by uuid NOT NULL REFERENCES users,
    decided_by uuid NOT NULL REFERENCES users,
    decided_at timestamptz NOT NULL,
    CONSTRAINT reviewed_by_another CHECK (decided_by <> submitted_by),
    CONSTRAINT refusal_says_why CHECK (decision = 'approved' OR reason <> ''),
    UNIQUE (dataset_version_id, submitted_at, kind),
    -- Data and legal review of one submission are two people.
    UNIQUE (dataset_version_id, submitted_at, decided_by)
);
CREATE TRIGGER reviews_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON reviews
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- A file of a version, from the moment its upload is opened.
CREATE TABLE dataset_files (
    id uuid PRIMARY KEY,
    dataset_version_id uuid NOT NULL REFERENCES dataset_versions,
    path text NOT NULL CHECK (char_length(path) BETWEEN 1 AND 300),
    size_bytes bigint NOT NULL CHECK (size_bytes > 0),
    media_type text NOT NULL,
    fingerprint text NOT NULL DEFAULT '',
    state text NOT NULL CHECK (state IN ('uploading', 'verifying', 'ready', 'rejected', 'aborted')),
    object_key text NOT NULL UNIQUE,
    s3_upload_id text,
    part_size_bytes bigint NOT NULL CHECK (part_size_bytes > 0),
    tree_sha256 text CHECK (tree_sha256 ~ '^[0-9a-f]{64}$'),
    -- The exact object that was verified.
    object_version text,
    sha256 text CHECK (sha256 ~ '^[0-9a-f]{64}$'),
    format text CHECK (format IN ('jsonl', 'text', 'csv')),
    documents bigint,
    characters bigint,
    -- Why it was rejected: {"code", "message", "lines":[{"line","problem"}]}
    problem jsonb,
    created_by uuid NOT NULL REFERENCES users,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    CONSTRAINT ready_is_known CHECK (state <> 'ready' OR (sha256 IS NOT NULL AND object_version IS NOT NULL
        AND format IS NOT NULL AND documents IS NOT NULL AND characters IS NOT NULL)),
    CONSTRAINT rejected_says_why CHECK ((state = 'rejected') = (problem IS NOT NULL))
);
CREATE INDEX dataset_files_by_version ON dataset_files (dataset_version_id);
CREATE UNIQUE INDEX dataset_files_one_live_path ON dataset_files (dataset_version_id, path)
    WHERE state IN ('uploading', 'verifying', 'ready');

-- A frozen version's files never change: the manifest hash stays true.
CREATE FUNCTION refuse_frozen_file() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    found text;
BEGIN
    SELECT status INTO found FROM dataset_versions
        WHERE id = COALESCE(NEW.dataset_version_id, OLD.dataset_version_id);
    IF found NOT IN ('draft', 'changes_requested') THEN
        RAISE EXCEPTION 'dataset version is frozen (%)', found;
    END IF;
    RETURN COALESCE(NEW, OLD);
END $$;
CREATE TRIGGER dataset_files_frozen BEFORE INSERT OR UPDATE OR DELETE ON dataset_files
    FOR EACH ROW EXECUTE FUNCTION refuse_frozen_file();

CREATE TABLE upload_parts (
    file_id uuid NOT NULL REFERENCES dataset_files,
    number integer NOT NULL CHECK (number BETWEEN 1 AND 10000),
    size_bytes bigint NOT NULL CHECK (size_bytes > 0),
    sha256 text NOT NULL CHECK (sha256 ~ '^[0-9a-f]{64}$'),
    PRIMARY KEY (file_id, number)
);
