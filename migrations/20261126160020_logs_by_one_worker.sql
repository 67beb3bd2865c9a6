-- One worker at a time reads the logs of a place; another takes over where that one stops.
ALTER TABLE compute_places
    ADD COLUMN logs_by uuid,
    ADD COLUMN logs_until timestamptz,
    ADD CONSTRAINT logs_lease_is_whole CHECK ((logs_by IS NULL) = (logs_until IS NULL));
