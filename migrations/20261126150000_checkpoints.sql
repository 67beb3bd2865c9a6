-- What a job had learnt at a step, whole in the store: another attempt goes on from it.
CREATE TABLE checkpoints (
    id uuid PRIMARY KEY,
    job_id uuid NOT NULL REFERENCES jobs,
    attempt_id uuid NOT NULL REFERENCES attempts,
    -- Of the event that told of it.
    number bigint NOT NULL CHECK (number >= 1),
    step integer NOT NULL CHECK (step >= 0),
    -- The program's hash over all that decides the run.
    run text NOT NULL CHECK (char_length(run) BETWEEN 1 AND 200),
    created_at timestamptz NOT NULL,
    UNIQUE (attempt_id, number)
);
CREATE INDEX checkpoints_by_job ON checkpoints (job_id);
CREATE TRIGGER checkpoints_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON checkpoints
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE TABLE checkpoint_parts (
    checkpoint_id uuid NOT NULL REFERENCES checkpoints,
    position integer NOT NULL CHECK (position >= 0),
    artifact_id uuid NOT NULL REFERENCES artifacts,
    PRIMARY KEY (checkpoint_id, position)
);
CREATE INDEX checkpoint_parts_by_artifact ON checkpoint_parts (artifact_id);
CREATE TRIGGER checkpoint_parts_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON checkpoint_parts
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- A file that an attempt put may go again. From `dropped_at` on nobody reads it; once nobody can be putting it any more
-- (`put_until`) the store deletes it.
ALTER TABLE artifacts
    ADD COLUMN put_until timestamptz,
    ADD COLUMN dropped_at timestamptz,
    ADD COLUMN deleted_at timestamptz,
    ADD CONSTRAINT deleted_was_dropped CHECK (deleted_at IS NULL OR dropped_at <= deleted_at),
    DROP CONSTRAINT artifacts_attempt_id_name_sha256_key;
UPDATE artifacts SET put_until = created_at + interval '1 day';
ALTER TABLE artifacts ALTER COLUMN put_until SET NOT NULL;
-- The same file may be put again after it was dropped; it is another one then.
CREATE UNIQUE INDEX artifacts_once ON artifacts (attempt_id, name, sha256) WHERE dropped_at IS NULL;
CREATE INDEX artifacts_to_drop ON artifacts (attempt_id) WHERE kind = 'checkpoint' AND dropped_at IS NULL;
CREATE INDEX artifacts_to_delete ON artifacts (put_until) WHERE dropped_at IS NOT NULL AND deleted_at IS NULL;

CREATE FUNCTION refuse_bad_checkpoint_part() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (
        SELECT 1 FROM artifacts f JOIN checkpoints c ON c.attempt_id = f.attempt_id
        WHERE f.id = NEW.artifact_id AND c.id = NEW.checkpoint_id AND f.kind = 'checkpoint'
            AND f.dropped_at IS NULL AND f.object_version IS NOT NULL
    ) THEN
        RAISE EXCEPTION 'a checkpoint is made of what its own attempt stored'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'checkpoint_of_its_attempt';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER checkpoint_parts_fit BEFORE INSERT ON checkpoint_parts
    FOR EACH ROW EXECUTE FUNCTION refuse_bad_checkpoint_part();
