-- Jobs: requested, approved, dispatched to compute, followed to their one end.
CREATE TABLE jobs (
    id uuid PRIMARY KEY,
    institution_id uuid NOT NULL REFERENCES institutions,
    title text NOT NULL CHECK (char_length(title) BETWEEN 1 AND 200),
    -- What the result is for, in the requester's words.
    motivation text NOT NULL CHECK (char_length(motivation) <= 2000),
    purpose text NOT NULL,
    is_commercial boolean NOT NULL,
    recipients text NOT NULL,
    base_model_id uuid NOT NULL REFERENCES models,
    -- job_contract::Task
    task jsonb NOT NULL,
    seed bigint NOT NULL,
    status text NOT NULL CHECK (status IN ('submitted', 'approved', 'running', 'succeeded', 'failed', 'cancelled',
        'rejected', 'blocked')),
    -- Why it was rejected, blocked, failed or cancelled: a code and a sentence.
    status_code text,
    status_message text,
    requested_by uuid NOT NULL REFERENCES users,
    requested_at timestamptz NOT NULL,
    approved_by uuid REFERENCES users,
    approved_at timestamptz,
    cancel_requested_at timestamptz,
    cancel_reason text,
    ended_at timestamptz,
    CONSTRAINT approved_by_another CHECK (approved_by <> requested_by),
    CONSTRAINT approved_says_who CHECK ((approved_by IS NULL) = (approved_at IS NULL)),
    CONSTRAINT runs_only_approved CHECK (status NOT IN ('approved', 'running', 'succeeded') OR approved_by IS NOT NULL),
    CONSTRAINT ended_says_when CHECK ((status IN ('succeeded', 'failed', 'cancelled', 'rejected', 'blocked')) = (ended_at IS NOT NULL))
);
CREATE INDEX jobs_by_institution ON jobs (institution_id, id);
CREATE INDEX jobs_waiting ON jobs (approved_at) WHERE status = 'approved';
ALTER TABLE models ADD FOREIGN KEY (job_id) REFERENCES jobs;

CREATE TABLE job_datasets (
    job_id uuid NOT NULL REFERENCES jobs,
    dataset_version_id uuid NOT NULL REFERENCES dataset_versions,
    PRIMARY KEY (job_id, dataset_version_id)
);
CREATE INDEX job_datasets_by_version ON job_datasets (dataset_version_id);

CREATE TABLE attempts (
    id uuid PRIMARY KEY,
    job_id uuid NOT NULL REFERENCES jobs,
    number integer NOT NULL CHECK (number >= 1),
    backend text NOT NULL,
    handle text,
    status text NOT NULL CHECK (status IN ('dispatching', 'running', 'succeeded', 'failed', 'cancelled', 'lost')),
    phase text,
    created_at timestamptz NOT NULL,
    heartbeat_at timestamptz,
    ended_at timestamptz,
    -- job_contract::Outcome as the program sent it
    outcome jsonb,
    failure_code text,
    failure_message text,
    UNIQUE (job_id, number),
    CONSTRAINT ended_says_when CHECK ((status IN ('succeeded', 'failed', 'cancelled', 'lost')) = (ended_at IS NOT NULL))
);
-- A job has one live attempt at most, and succeeds once.
CREATE UNIQUE INDEX attempts_one_live ON attempts (job_id) WHERE status IN ('dispatching', 'running');
CREATE UNIQUE INDEX attempts_one_success ON attempts (job_id) WHERE status = 'succeeded';

-- The verdict on each dataset version, bound at dispatch; append-only.
CREATE TABLE dataset_uses (
    id uuid PRIMARY KEY,
    attempt_id uuid NOT NULL REFERENCES attempts,
    dataset_version_id uuid NOT NULL REFERENCES dataset_versions,
    verdict jsonb NOT NULL,
    policy_sha256 text NOT NULL CHECK (policy_sha256 ~ '^[0-9a-f]{64}$'),
    decided_at timestamptz NOT NULL,
    UNIQUE (attempt_id, dataset_version_id)
);
CREATE INDEX dataset_uses_by_version ON dataset_uses (dataset_version_id);
CREATE TRIGGER dataset_uses_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON dataset_uses
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- Each leave to read, and each refusal.
CREATE TABLE read_grants (
    id uuid PRIMARY KEY,
    attempt_id uuid NOT NULL REFERENCES attempts,
    file_id uuid NOT NULL,
    dataset_version_id uuid REFERENCES dataset_versions,
    is_allowed boolean NOT NULL,
    policy_sha256 text,
    decided_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL
);
CREATE INDEX read_grants_by_attempt ON read_grants (attempt_id);
CREATE TRIGGER read_grants_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON read_grants
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- Tokens really read, from the outcome; one row a version and attempt.
CREATE TABLE tokens_read (
    attempt_id uuid NOT NULL REFERENCES attempts,
    dataset_version_id uuid NOT NULL REFERENCES dataset_versions,
    tokens bigint NOT NULL CHECK (tokens >= 0),
    PRIMARY KEY (attempt_id, dataset_version_id)
);
CREATE INDEX tokens_read_by_version ON tokens_read (dataset_version_id);

CREATE TABLE job_events (
    attempt_id uuid NOT NULL REFERENCES attempts,
    number bigint NOT NULL CHECK (number >= 1),
    job_id uuid NOT NULL REFERENCES jobs,
    occurred_at timestamptz NOT NULL,
    -- job_contract::JobEvent
    event jsonb NOT NULL,
    PRIMARY KEY (attempt_id, number)
);
CREATE INDEX job_events_by_job ON job_events (job_id, occurred_at);

CREATE TABLE artifacts (
    id uuid PRIMARY KEY,
    attempt_id uuid NOT NULL REFERENCES attempts,
    kind text NOT NULL CHECK (kind IN ('model', 'checkpoint', 'report')),
    name text NOT NULL CHECK (name ~ '^[A-Za-z0-9._-]{1,100}$'),
    size_bytes bigint NOT NULL CHECK (size_bytes > 0),
    sha256 text NOT NULL CHECK (sha256 ~ '^[0-9a-f]{64}$'),
    object_key text NOT NULL UNIQUE,
    object_version text,
    created_at timestamptz NOT NULL,
    UNIQUE (attempt_id, name, sha256)
);
