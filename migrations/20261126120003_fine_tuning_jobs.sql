-- Jobs asked for through the OpenAI-compatible API: from the request on, also while their data wait for people.
CREATE TABLE fine_tuning_jobs (
    -- Also the id of the row in jobs, once the data may be used and it was asked for there.
    id uuid PRIMARY KEY,
    institution_id uuid NOT NULL REFERENCES institutions,
    api_key_id uuid NOT NULL REFERENCES api_keys,
    created_by uuid NOT NULL REFERENCES users,
    created_at timestamptz NOT NULL,
    -- Of the request, so that one that is sent again finds its job.
    body_sha256 bytea NOT NULL CHECK (octet_length(body_sha256) = 32),
    idempotency_key text CHECK (char_length(idempotency_key) BETWEEN 1 AND 255),
    base_model_id uuid NOT NULL REFERENCES models,
    -- As they were given.
    training_file text NOT NULL,
    validation_file text,
    training_version_id uuid NOT NULL REFERENCES dataset_versions,
    validation_version_id uuid REFERENCES dataset_versions,
    metadata jsonb NOT NULL,
    -- openai_api::Method as asked for, and with what "auto" came to.
    method jsonb NOT NULL,
    resolved jsonb,
    -- All else that was asked for.
    wish jsonb NOT NULL,
    phase text NOT NULL CHECK (phase IN ('validating', 'waiting', 'requested', 'failed', 'cancelled')),
    -- When its own files were read and found fit.
    examined_at timestamptz,
    -- Whose decisions it waits for.
    waits_for jsonb NOT NULL DEFAULT '[]',
    -- {"code", "message", "param", "problems"}
    error jsonb,
    ended_at timestamptz,
    -- The last state of the row in jobs that events tell of.
    told_status text,
    is_settled boolean NOT NULL DEFAULT false,
    UNIQUE (api_key_id, idempotency_key),
    CONSTRAINT failed_says_why CHECK ((phase = 'failed') = (error IS NOT NULL)),
    CONSTRAINT ended_says_when CHECK ((phase IN ('failed', 'cancelled')) = (ended_at IS NOT NULL))
);
CREATE INDEX fine_tuning_jobs_by_institution ON fine_tuning_jobs (institution_id, id);
CREATE INDEX fine_tuning_jobs_open ON fine_tuning_jobs (id) WHERE NOT is_settled;
CREATE INDEX fine_tuning_jobs_by_request ON fine_tuning_jobs (api_key_id, body_sha256, created_at);

-- What happened to them beside what their programs tell.
CREATE TABLE fine_tuning_events (
    id uuid PRIMARY KEY,
    job_id uuid NOT NULL REFERENCES fine_tuning_jobs,
    occurred_at timestamptz NOT NULL,
    level text NOT NULL CHECK (level IN ('info', 'warn', 'error')),
    message text NOT NULL,
    data jsonb
);
CREATE INDEX fine_tuning_events_by_job ON fine_tuning_events (job_id, occurred_at);
