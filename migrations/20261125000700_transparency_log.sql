-- The audit log becomes the leaves of a Merkle tree with signed checkpoints (docs/transparency-log.md), in place of a
-- chain of hashes: each line has its own hash, salted, and the tree ties them together.
ALTER TABLE events
    -- The number names a line; nothing stays beside it that the hash does not cover.
    DROP COLUMN id,
    DROP CONSTRAINT events_seq_key,
    ADD PRIMARY KEY (seq),
    -- Random, so that the published hash of a line gives nothing away about what it says.
    ADD COLUMN salt bytea NOT NULL DEFAULT uuid_send(gen_random_uuid()) CHECK (octet_length(salt) = 16),
    -- The leaf is one line of JSON in which these stand unescaped.
    ADD CONSTRAINT kinds_are_plain CHECK (kind ~ '^[a-z0-9_.]+$' AND subject_kind ~ '^[a-z0-9_.]+$'),
    ADD CONSTRAINT payload_is_one_line CHECK (position(E'\n' IN payload::text) = 0);

-- Lines that are there already get the hash of their leaf; what they say stays as it is.
ALTER TABLE events DISABLE TRIGGER events_append_only;
UPDATE events SET hash = sha256('\x00'::bytea || convert_to(
    '{"v":1,"seq":' || seq
    || ',"at":"' || to_char(occurred_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
    || '","actor":"' || actor_id
    || '","institution":"' || institution_id
    || '","subject_kind":"' || subject_kind
    || '","subject":"' || subject_id
    || '","kind":"' || kind
    || '","salt":"' || encode(salt, 'hex')
    || '","payload":' || payload::text
    || '}', 'UTF8'));
ALTER TABLE events ENABLE TRIGGER events_append_only;
ALTER TABLE events ALTER COLUMN salt DROP DEFAULT;
ALTER TABLE events ADD CONSTRAINT hash_is_sha256 CHECK (octet_length(hash) = 32);
-- What is left of the head is the number of the last line, which also serialises the numbering.
ALTER TABLE audit_head DROP COLUMN hash;

-- What the log said of itself, hourly and signed.
CREATE TABLE audit_checkpoints (
    id uuid PRIMARY KEY,
    size bigint NOT NULL CHECK (size >= 0),
    root bytea NOT NULL CHECK (octet_length(root) = 32),
    signed_at timestamptz NOT NULL UNIQUE,
    -- The signed note (C2SP tlog-checkpoint) as it was published.
    note text NOT NULL
);
CREATE TRIGGER audit_checkpoints_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_checkpoints
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE FUNCTION refuse_shrinking_log() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    newest audit_checkpoints;
BEGIN
    SELECT * INTO newest FROM audit_checkpoints ORDER BY signed_at DESC LIMIT 1;
    IF newest.size > NEW.size OR newest.signed_at >= NEW.signed_at
        OR (newest.size = NEW.size AND newest.root <> NEW.root) THEN
        RAISE EXCEPTION 'a log that was signed at % lines only grows', newest.size;
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER audit_checkpoints_only_grow BEFORE INSERT ON audit_checkpoints
    FOR EACH ROW EXECUTE FUNCTION refuse_shrinking_log();

-- Each walk over the whole log before signing, and what it found.
CREATE TABLE audit_checks (
    id uuid PRIMARY KEY,
    checked_at timestamptz NOT NULL,
    -- Lines that were found in order.
    events bigint NOT NULL CHECK (events >= 0),
    -- The first thing that was wrong, with its place; none where all holds.
    problem text CHECK (char_length(problem) BETWEEN 1 AND 2000)
);
CREATE INDEX audit_checks_by_time ON audit_checks (checked_at DESC);
CREATE TRIGGER audit_checks_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_checks
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
