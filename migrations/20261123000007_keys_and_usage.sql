-- Inference keys, what they may spend, and what was spent.
CREATE TABLE api_keys (
    id uuid PRIMARY KEY,
    -- The readable part of the key: gptnl_<public id>_<secret>.
    public_id text NOT NULL UNIQUE CHECK (public_id ~ '^[a-z0-9]{8}$'),
    institution_id uuid NOT NULL REFERENCES institutions,
    name text NOT NULL CHECK (char_length(name) BETWEEN 1 AND 100),
    purpose text NOT NULL CHECK (char_length(purpose) BETWEEN 1 AND 1000),
    is_commercial boolean NOT NULL,
    tokens_per_day bigint NOT NULL CHECK (tokens_per_day > 0),
    requests_per_minute integer NOT NULL CHECK (requests_per_minute > 0),
    status text NOT NULL CHECK (status IN ('requested', 'approved', 'active', 'rejected', 'revoked')),
    -- HMAC-SHA256 of the whole key under the server's pepper; there once the holder has been shown it.
    secret_hmac bytea CHECK (octet_length(secret_hmac) = 32),
    requested_by uuid NOT NULL REFERENCES users,
    requested_at timestamptz NOT NULL,
    decided_by uuid REFERENCES users,
    decided_at timestamptz,
    reason text,
    shown_at timestamptz,
    expires_at timestamptz NOT NULL,
    revoked_at timestamptz,
    last_used_at timestamptz,
    CONSTRAINT decided_by_another CHECK (decided_by <> requested_by OR status = 'revoked'),
    CONSTRAINT active_has_secret CHECK (status <> 'active' OR (secret_hmac IS NOT NULL AND shown_at IS NOT NULL)),
    CONSTRAINT revoked_says_when CHECK ((status = 'revoked') = (revoked_at IS NOT NULL))
);
CREATE INDEX api_keys_by_institution ON api_keys (institution_id, id);

CREATE TABLE api_key_models (
    api_key_id uuid NOT NULL REFERENCES api_keys,
    model_id uuid NOT NULL REFERENCES models,
    PRIMARY KEY (api_key_id, model_id)
);
CREATE INDEX api_key_models_by_model ON api_key_models (model_id);

-- One row a key and day (Europe/Amsterdam): the counter that enforces is the counter that is shown.
CREATE TABLE key_days (
    api_key_id uuid NOT NULL REFERENCES api_keys,
    day date NOT NULL,
    used_tokens bigint NOT NULL DEFAULT 0 CHECK (used_tokens >= 0),
    reserved_tokens bigint NOT NULL DEFAULT 0 CHECK (reserved_tokens >= 0),
    requests bigint NOT NULL DEFAULT 0 CHECK (requests >= 0),
    PRIMARY KEY (api_key_id, day)
);

CREATE TABLE key_minutes (
    api_key_id uuid NOT NULL REFERENCES api_keys,
    minute timestamptz NOT NULL,
    requests integer NOT NULL DEFAULT 0 CHECK (requests >= 0),
    PRIMARY KEY (api_key_id, minute)
);

-- Tokens set aside for a request under way; gone when it is settled.
CREATE TABLE reservations (
    request_id uuid PRIMARY KEY,
    api_key_id uuid NOT NULL REFERENCES api_keys,
    day date NOT NULL,
    tokens bigint NOT NULL CHECK (tokens > 0),
    model_id uuid NOT NULL REFERENCES models,
    -- Where the upstream can be asked what it really produced.
    upstream text NOT NULL,
    is_streamed boolean NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL
);
CREATE INDEX reservations_by_expiry ON reservations (expires_at);
CREATE INDEX reservations_by_key ON reservations (api_key_id);

-- What was used; one row a request, whatever happened to it.
CREATE TABLE usage_records (
    request_id uuid PRIMARY KEY,
    api_key_id uuid NOT NULL REFERENCES api_keys,
    institution_id uuid NOT NULL REFERENCES institutions,
    model_id uuid NOT NULL REFERENCES models,
    day date NOT NULL,
    prompt_tokens bigint NOT NULL CHECK (prompt_tokens >= 0),
    completion_tokens bigint NOT NULL CHECK (completion_tokens >= 0),
    -- completed; cut: the client left or the upstream broke off; recovered: settled after a crash of ours
    outcome text NOT NULL CHECK (outcome IN ('completed', 'cut', 'failed', 'recovered')),
    is_streamed boolean NOT NULL,
    started_at timestamptz NOT NULL,
    ended_at timestamptz NOT NULL
);
CREATE INDEX usage_records_by_key ON usage_records (api_key_id, day);
CREATE INDEX usage_records_by_institution ON usage_records (institution_id, day);
CREATE INDEX usage_records_by_model ON usage_records (model_id, day);
