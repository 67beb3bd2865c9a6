-- A machine that is gone with everything on it: nobody can look there for a work folder any more. An operator says so,
-- and why; attempts that begin there afterwards are on another machine of that name.
CREATE TABLE lost_places (
    place text NOT NULL CHECK (char_length(place) BETWEEN 1 AND 200),
    declared_at timestamptz NOT NULL,
    reason text NOT NULL CHECK (char_length(reason) BETWEEN 1 AND 2000),
    declared_by uuid NOT NULL REFERENCES users,
    PRIMARY KEY (place, declared_at)
);
CREATE INDEX lost_places_by_user ON lost_places (declared_by);
CREATE TRIGGER lost_places_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON lost_places
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
-- The open folders of a place.
CREATE INDEX purge_items_by_place ON purge_items (place) WHERE place IS NOT NULL;
