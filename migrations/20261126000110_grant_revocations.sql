-- Leave to read that was given before a withdrawal and had not run out: its address works until it ends or the object
-- is gone, and from the withdrawal on it is nobody's leave any more.
CREATE TABLE grant_revocations (
    grant_id uuid NOT NULL REFERENCES read_grants,
    withdrawal_id uuid NOT NULL REFERENCES withdrawals,
    revoked_at timestamptz NOT NULL,
    PRIMARY KEY (grant_id, withdrawal_id)
);
CREATE INDEX grant_revocations_by_withdrawal ON grant_revocations (withdrawal_id);
CREATE TRIGGER grant_revocations_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON grant_revocations
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
