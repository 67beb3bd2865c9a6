-- Addresses of programs that are told of events.
CREATE TABLE webhook_endpoints (
    id uuid PRIMARY KEY,
    institution_id uuid NOT NULL REFERENCES institutions,
    url text NOT NULL CHECK (char_length(url) BETWEEN 1 AND 2000),
    -- How often its secret was made; the secret itself is kept nowhere.
    generation integer NOT NULL DEFAULT 1 CHECK (generation >= 1),
    rotated_at timestamptz,
    created_by uuid NOT NULL REFERENCES users,
    created_at timestamptz NOT NULL,
    removed_at timestamptz
);
CREATE INDEX webhook_endpoints_by_institution ON webhook_endpoints (institution_id) WHERE removed_at IS NULL;

-- What they are told, in order.
CREATE TABLE webhook_messages (
    id uuid PRIMARY KEY,
    endpoint_id uuid NOT NULL REFERENCES webhook_endpoints,
    kind text NOT NULL,
    -- The bytes that are signed and sent.
    body text NOT NULL,
    created_at timestamptz NOT NULL,
    next_at timestamptz NOT NULL,
    tries integer NOT NULL DEFAULT 0,
    tried_at timestamptz,
    -- Of the last try: the status of the answer, or a word.
    outcome text,
    -- Taken, given up, or the address removed.
    ended_at timestamptz
);
CREATE INDEX webhook_messages_waiting ON webhook_messages (endpoint_id, id) WHERE ended_at IS NULL;
CREATE INDEX webhook_messages_tried ON webhook_messages (endpoint_id, tried_at);
