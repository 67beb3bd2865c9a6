-- A part of a checkpoint turned out to be gone, or not what was stored. Nobody reads it again, so the older checkpoint
-- is the newest one then.
ALTER TABLE artifacts
    ADD COLUMN damaged_at timestamptz,
    -- Whose program could not read it.
    ADD COLUMN damaged_told_by uuid REFERENCES attempts,
    ADD CONSTRAINT damaged_says_who CHECK ((damaged_at IS NULL) = (damaged_told_by IS NULL)),
    ADD CONSTRAINT damaged_is_dropped CHECK (damaged_at IS NULL OR dropped_at IS NOT NULL);
CREATE INDEX artifacts_damaged ON artifacts (damaged_told_by) WHERE damaged_at IS NOT NULL;
