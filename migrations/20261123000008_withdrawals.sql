-- Withdrawals: what fell, what it touched, and who was told.
CREATE TABLE withdrawals (
    id uuid PRIMARY KEY,
    dataset_id uuid NOT NULL REFERENCES datasets,
    institution_id uuid NOT NULL REFERENCES institutions,
    reason text NOT NULL CHECK (char_length(reason) BETWEEN 1 AND 2000),
    withdrawn_by uuid NOT NULL REFERENCES users,
    withdrawn_at timestamptz NOT NULL,
    -- What it touched at that moment: {"permissions", "versions", "jobs", "models", "deployments", "keys"}.
    affected jsonb NOT NULL
);
CREATE INDEX withdrawals_by_dataset ON withdrawals (dataset_id);
CREATE TRIGGER withdrawals_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON withdrawals
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
