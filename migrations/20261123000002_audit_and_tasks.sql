-- What happened, chained and append-only, and what is still to be done (the outbox).
CREATE TABLE events (
    id uuid PRIMARY KEY,
    seq bigint NOT NULL UNIQUE,
    occurred_at timestamptz NOT NULL,
    actor_id uuid NOT NULL,
    institution_id uuid NOT NULL,
    subject_kind text NOT NULL,
    subject_id uuid NOT NULL,
    kind text NOT NULL,
    -- json, not jsonb: the hash is over the text as it was written
    payload json NOT NULL,
    hash bytea NOT NULL
);
CREATE INDEX events_by_subject ON events (subject_kind, subject_id, seq);
CREATE INDEX events_by_institution ON events (institution_id, seq);

CREATE TABLE audit_head (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    seq bigint NOT NULL,
    hash bytea NOT NULL
);
INSERT INTO audit_head (seq, hash) VALUES (0, '');

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only', TG_TABLE_NAME;
END $$;
CREATE TRIGGER events_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON events
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE TABLE tasks (
    id uuid PRIMARY KEY,
    kind text NOT NULL,
    payload jsonb NOT NULL,
    run_at timestamptz NOT NULL,
    attempts integer NOT NULL DEFAULT 0 CHECK (attempts >= 0),
    leased_until timestamptz,
    done_at timestamptz,
    -- Given up on; shown to operators, never deleted.
    parked_at timestamptz,
    last_error text
);
CREATE INDEX tasks_waiting ON tasks (run_at) WHERE done_at IS NULL AND parked_at IS NULL;
