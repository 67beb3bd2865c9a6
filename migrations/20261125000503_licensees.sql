-- Who holds which model under which licence, so that they can be told when something about it changes.
CREATE TABLE licensees (
    id uuid PRIMARY KEY,
    model_id uuid NOT NULL REFERENCES models,
    name text NOT NULL CHECK (char_length(name) BETWEEN 1 AND 200),
    contact text NOT NULL CHECK (contact ~ '^[^@[:space:]]+@[^@[:space:]]+$' AND char_length(contact) <= 254),
    licence text NOT NULL CHECK (licence IN ('research', 'professional')),
    held_since date NOT NULL,
    held_until date CHECK (held_until >= held_since),
    added_by uuid NOT NULL REFERENCES users,
    added_at timestamptz NOT NULL,
    ended_by uuid REFERENCES users,
    ended_at timestamptz,
    CONSTRAINT ended_says_who CHECK ((ended_at IS NULL) = (ended_by IS NULL))
);
CREATE INDEX licensees_by_model ON licensees (model_id);
CREATE INDEX licensees_by_adder ON licensees (added_by);
CREATE INDEX licensees_by_ender ON licensees (ended_by);
-- Nobody holds one model twice under one licence at a time.
CREATE UNIQUE INDEX licensees_once ON licensees (model_id, lower(contact), licence) WHERE ended_at IS NULL;
