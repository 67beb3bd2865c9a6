-- What the place last told of an attempt.
CREATE TABLE attempt_reports (
    attempt_id uuid PRIMARY KEY REFERENCES attempts,
    state text NOT NULL CHECK (state IN ('pending', 'running', 'ended', 'unknown')),
    -- The scheduler's own word for it.
    native_id text,
    reason text,
    queue_position integer CHECK (queue_position > 0),
    started_at timestamptz,
    ended_at timestamptz,
    used_seconds bigint NOT NULL CHECK (used_seconds >= 0),
    used_gpus integer CHECK (used_gpus >= 0),
    used_cores integer CHECK (used_cores >= 0),
    told_at timestamptz NOT NULL
);
