-- How the places stand where jobs run, as workers last saw them. Settings name the places; these rows only tell.
CREATE TABLE compute_places (
    id text PRIMARY KEY,
    name text NOT NULL,
    kind text NOT NULL,
    location text NOT NULL,
    slots integer NOT NULL CHECK (slots > 0),
    -- 'locked': a person has to mend it. 'unreachable': asked again.
    trouble_kind text CHECK (trouble_kind IN ('locked', 'unreachable')),
    trouble text,
    trouble_since timestamptz,
    seen_at timestamptz NOT NULL,
    CONSTRAINT trouble_says_since CHECK ((trouble_kind IS NULL) = (trouble_since IS NULL))
);
