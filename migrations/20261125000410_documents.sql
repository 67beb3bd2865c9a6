-- Which text stands where in the files, so that it can be found again. The text itself stays in the object store.
CREATE TABLE indexed_files (
    file_id uuid PRIMARY KEY REFERENCES dataset_files,
    -- Who began later than this may take over what was left half done.
    claimed_at timestamptz NOT NULL,
    indexed_at timestamptz
);
CREATE INDEX indexed_files_unfinished ON indexed_files (claimed_at) WHERE indexed_at IS NULL;

CREATE TABLE documents (
    file_id uuid NOT NULL REFERENCES indexed_files,
    -- The line at which it begins, from 1.
    number bigint NOT NULL CHECK (number >= 1),
    offset_bytes bigint NOT NULL CHECK (offset_bytes >= 0),
    size_bytes bigint NOT NULL CHECK (size_bytes > 0),
    sha256 bytea NOT NULL CHECK (octet_length(sha256) = 32),
    PRIMARY KEY (file_id, number)
);
CREATE INDEX documents_by_sha256 ON documents (sha256);

-- The words of a document with their places, in parts that overlap by a few: Postgres keeps 256 places a word.
CREATE TABLE document_words (
    file_id uuid NOT NULL REFERENCES indexed_files,
    number bigint NOT NULL CHECK (number >= 1),
    part integer NOT NULL CHECK (part >= 0),
    words tsvector NOT NULL,
    PRIMARY KEY (file_id, number, part)
);
CREATE INDEX document_words_by_word ON document_words USING gin (words);
