-- What an attempt really read, as its program told: one row a file and hash, right or wrong.
CREATE TABLE files_read (
    id uuid PRIMARY KEY,
    attempt_id uuid NOT NULL REFERENCES attempts,
    -- Of dataset_files, or of model_files for the base model.
    file_id uuid NOT NULL,
    dataset_version_id uuid REFERENCES dataset_versions,
    -- As the program found it, and as it was verified when it came in.
    sha256 text NOT NULL CHECK (sha256 ~ '^[0-9a-f]{64}$'),
    expected_sha256 text NOT NULL CHECK (expected_sha256 ~ '^[0-9a-f]{64}$'),
    is_as_verified boolean NOT NULL GENERATED ALWAYS AS (sha256 = expected_sha256) STORED,
    told_at timestamptz NOT NULL,
    UNIQUE (attempt_id, file_id, sha256)
);
CREATE INDEX files_read_by_version ON files_read (dataset_version_id);
CREATE INDEX read_grants_by_file ON read_grants (attempt_id, file_id) WHERE is_allowed;
CREATE TRIGGER files_read_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON files_read
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- Only a file of the job, with the hash under which it was verified, and only with leave.
CREATE FUNCTION refuse_unfounded_read() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.dataset_version_id IS NULL THEN
        PERFORM 1 FROM attempts a
            JOIN jobs j ON j.id = a.job_id
            JOIN model_files f ON f.model_id = j.base_model_id
            WHERE a.id = NEW.attempt_id AND f.id = NEW.file_id AND f.sha256 = NEW.expected_sha256;
    ELSE
        PERFORM 1 FROM attempts a
            JOIN job_datasets d ON d.job_id = a.job_id AND d.dataset_version_id = NEW.dataset_version_id
            JOIN dataset_files f ON f.dataset_version_id = d.dataset_version_id
            WHERE a.id = NEW.attempt_id AND f.id = NEW.file_id AND f.sha256 = NEW.expected_sha256;
    END IF;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'file % is not one that attempt % reads', NEW.file_id, NEW.attempt_id;
    END IF;
    IF NOT EXISTS (SELECT 1 FROM read_grants g
        WHERE g.attempt_id = NEW.attempt_id AND g.file_id = NEW.file_id AND g.is_allowed) THEN
        RAISE EXCEPTION 'attempt % read file % without leave', NEW.attempt_id, NEW.file_id;
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER files_read_founded BEFORE INSERT ON files_read
    FOR EACH ROW EXECUTE FUNCTION refuse_unfounded_read();

-- What earlier attempts told in their outcome.
INSERT INTO files_read (id, attempt_id, file_id, dataset_version_id, sha256, expected_sha256, told_at)
SELECT gen_random_uuid(), a.id, f.id, f.dataset_version_id, told.pair ->> 1, f.sha256, a.ended_at
FROM attempts a
CROSS JOIN LATERAL jsonb_array_elements(a.outcome -> 'files_read') AS told (pair)
JOIN job_datasets d ON d.job_id = a.job_id
JOIN dataset_files f ON f.dataset_version_id = d.dataset_version_id AND f.id = (told.pair ->> 0)::uuid
WHERE a.status = 'succeeded' AND jsonb_typeof(a.outcome -> 'files_read') = 'array'
    AND EXISTS (SELECT 1 FROM read_grants g WHERE g.attempt_id = a.id AND g.file_id = f.id AND g.is_allowed)
ON CONFLICT DO NOTHING;

-- A succeeded attempt has read every file of its datasets as it was verified. Deferred: rows come in any order.
CREATE FUNCTION refuse_success_unread() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT 1 FROM files_read r WHERE r.attempt_id = NEW.id AND NOT r.is_as_verified) THEN
        RAISE EXCEPTION 'attempt % read a file that is not as it was verified', NEW.id;
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER attempts_succeed_on_what_was_verified AFTER UPDATE ON attempts
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (NEW.status = 'succeeded')
    EXECUTE FUNCTION refuse_success_unread();
