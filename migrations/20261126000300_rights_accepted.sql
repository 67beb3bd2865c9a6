-- A finding that asks less than what was known counts where the source itself says so, or once the platform said that
-- it does. Noting that something changed does not say so yet.
ALTER TABLE rights_change_notes
    ADD COLUMN accepts boolean NOT NULL DEFAULT false,
    ADD CONSTRAINT platform_accepts CHECK (side = 'platform' OR NOT accepts);
