-- The keys that receipts, checkpoints and statements are signed with: one at a time, all of them published for good.
CREATE TABLE signing_keys (
    id uuid PRIMARY KEY,
    keyid text NOT NULL UNIQUE CHECK (keyid ~ '^[0-9a-f]{16}$'),
    -- Ed25519, 32 bytes in hexadecimal. The secret half is in the configuration and nowhere else.
    public_key text NOT NULL UNIQUE CHECK (public_key ~ '^[0-9a-f]{64}$'),
    -- What was signed from here on, and before the end, holds.
    valid_from timestamptz NOT NULL,
    valid_until timestamptz,
    -- From this moment on nothing that it signed holds; earlier signatures stay.
    revoked_at timestamptz,
    revoked_reason text CHECK (char_length(revoked_reason) BETWEEN 1 AND 500),
    CONSTRAINT keyid_is_of_the_key CHECK (keyid = left(encode(sha256(decode(public_key, 'hex')), 'hex'), 16)),
    CONSTRAINT ends_after_it_starts CHECK (valid_until >= valid_from),
    CONSTRAINT revoked_says_why CHECK ((revoked_at IS NULL) = (revoked_reason IS NULL))
);
CREATE UNIQUE INDEX signing_keys_one_active ON signing_keys ((true)) WHERE valid_until IS NULL AND revoked_at IS NULL;

-- A key is closed once and revoked once; nothing else about it ever changes, and it stays published.
CREATE FUNCTION refuse_key_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'UPDATE' THEN
        RAISE EXCEPTION 'a signing key stays published';
    END IF;
    IF (NEW.id, NEW.keyid, NEW.public_key, NEW.valid_from) IS DISTINCT FROM (OLD.id, OLD.keyid, OLD.public_key, OLD.valid_from)
        OR (OLD.valid_until IS NOT NULL AND NEW.valid_until IS DISTINCT FROM OLD.valid_until)
        OR (OLD.revoked_at IS NOT NULL
            AND (NEW.revoked_at, NEW.revoked_reason) IS DISTINCT FROM (OLD.revoked_at, OLD.revoked_reason)) THEN
        RAISE EXCEPTION 'signing key % is closed once and revoked once', OLD.keyid;
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER signing_keys_stay BEFORE UPDATE OR DELETE ON signing_keys
    FOR EACH ROW EXECUTE FUNCTION refuse_key_change();
CREATE TRIGGER signing_keys_not_emptied BEFORE TRUNCATE ON signing_keys
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- Whether what that key signed at that moment holds. Locks the key's row, so that a rotation waits for what is
-- being signed and nothing is signed by a key that was closed meanwhile.
CREATE FUNCTION signing_key_holds(key text, signed_at timestamptz) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    found signing_keys;
BEGIN
    SELECT * INTO found FROM signing_keys WHERE keyid = key FOR SHARE;
    RETURN found.keyid IS NOT NULL AND signed_at >= found.valid_from
        AND (found.valid_until IS NULL OR signed_at < found.valid_until)
        AND (found.revoked_at IS NULL OR signed_at < found.revoked_at);
END $$;
