-- Files that came through the OpenAI-compatible API: each is the one file of a dataset.
CREATE TABLE api_files (
    id uuid PRIMARY KEY REFERENCES dataset_files,
    institution_id uuid NOT NULL REFERENCES institutions,
    dataset_id uuid NOT NULL REFERENCES datasets,
    dataset_version_id uuid NOT NULL REFERENCES dataset_versions,
    api_key_id uuid NOT NULL REFERENCES api_keys,
    created_by uuid NOT NULL REFERENCES users,
    filename text NOT NULL CHECK (char_length(filename) BETWEEN 1 AND 255),
    created_at timestamptz NOT NULL,
    deleted_at timestamptz
);
CREATE INDEX api_files_by_institution ON api_files (institution_id, id);

-- Files that come in parts of which the order is known at the end only.
CREATE TABLE api_uploads (
    id uuid PRIMARY KEY,
    institution_id uuid NOT NULL REFERENCES institutions,
    api_key_id uuid NOT NULL REFERENCES api_keys,
    created_by uuid NOT NULL REFERENCES users,
    filename text NOT NULL CHECK (char_length(filename) BETWEEN 1 AND 255),
    bytes bigint NOT NULL CHECK (bytes > 0),
    status text NOT NULL CHECK (status IN ('pending', 'completed', 'cancelled', 'expired')),
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    -- Held by the request that puts the parts together.
    completing_until timestamptz,
    -- The file that they are put together as, so that a second try finds what a first one finished.
    receiving_id uuid REFERENCES api_files,
    file_id uuid REFERENCES api_files,
    -- Whether its parts are gone from the object store.
    is_cleared boolean NOT NULL DEFAULT false,
    CONSTRAINT completed_has_file CHECK ((status = 'completed') = (file_id IS NOT NULL))
);
CREATE INDEX api_uploads_to_clear ON api_uploads (expires_at) WHERE NOT is_cleared;

CREATE TABLE api_upload_parts (
    id uuid PRIMARY KEY,
    upload_id uuid NOT NULL REFERENCES api_uploads,
    size_bytes bigint NOT NULL CHECK (size_bytes > 0),
    object_key text NOT NULL UNIQUE,
    object_version text,
    created_at timestamptz NOT NULL
);
CREATE INDEX api_upload_parts_by_upload ON api_upload_parts (upload_id);
