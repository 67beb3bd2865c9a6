-- A key has one secret, and for a while two after it was rotated. Each has a readable part of its own.
CREATE TABLE api_key_secrets (
    -- gptnl_<public id>_<secret>
    public_id text PRIMARY KEY CHECK (public_id ~ '^[a-z0-9]{8}$'),
    api_key_id uuid NOT NULL REFERENCES api_keys,
    -- HMAC-SHA256 of the whole secret under the server's pepper.
    hmac bytea NOT NULL CHECK (octet_length(hmac) = 32),
    shown_at timestamptz NOT NULL,
    -- From when it answers no more though the key holds: another secret took its place.
    ends_at timestamptz CHECK (ends_at >= shown_at)
);
-- One secret of a key has no end of its own.
CREATE UNIQUE INDEX api_key_secrets_current ON api_key_secrets (api_key_id) WHERE ends_at IS NULL;
CREATE INDEX api_key_secrets_by_key ON api_key_secrets (api_key_id);

INSERT INTO api_key_secrets (public_id, api_key_id, hmac, shown_at)
SELECT public_id, id, secret_hmac, shown_at FROM api_keys WHERE secret_hmac IS NOT NULL;

ALTER TABLE api_keys DROP CONSTRAINT active_has_secret;
ALTER TABLE api_keys DROP COLUMN secret_hmac;
ALTER TABLE api_keys ADD CONSTRAINT active_was_shown CHECK (status <> 'active' OR shown_at IS NOT NULL);
