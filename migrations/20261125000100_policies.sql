-- The exact text of every policy that a verdict was read from, so that each verdict can be made again. Verdicts of
-- rule set 1 kept the hash alone: that is why dataset_uses and read_grants do not refer to this table by constraint.
CREATE TABLE policies (
    sha256 text PRIMARY KEY CHECK (sha256 ~ '^[0-9a-f]{64}$'),
    rule_set integer NOT NULL CHECK (rule_set >= 1),
    -- permission_policy::Policy as canonical JSON.
    canonical text NOT NULL,
    kept_at timestamptz NOT NULL,
    CONSTRAINT named_by_its_text CHECK (sha256 = encode(sha256(convert_to(canonical, 'UTF8')), 'hex'))
);
CREATE TRIGGER policies_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON policies
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE INDEX dataset_uses_by_policy ON dataset_uses (policy_sha256);
CREATE INDEX read_grants_by_policy ON read_grants (policy_sha256);
