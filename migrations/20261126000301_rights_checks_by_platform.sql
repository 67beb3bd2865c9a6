-- Whether whoever looked did so for the platform. Of what was written down before nobody knows, so it counts as what the
-- institution says.
ALTER TABLE rights_checks
    ADD COLUMN is_by_platform boolean NOT NULL DEFAULT false,
    ADD CONSTRAINT platform_is_a_person CHECK (checked_by IS NOT NULL OR NOT is_by_platform);
