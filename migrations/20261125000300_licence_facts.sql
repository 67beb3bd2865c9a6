-- The licence of a dataset is a fact with a date: a later one stands beside it and never replaces it. The row of the
-- dataset shows the newest.
CREATE TABLE licence_facts (
    id uuid PRIMARY KEY,
    dataset_id uuid NOT NULL REFERENCES datasets,
    -- As it was registered, and as an SPDX expression made of that.
    license text NOT NULL CHECK (char_length(license) BETWEEN 1 AND 100),
    expression text NOT NULL CHECK (char_length(expression) BETWEEN 1 AND 200),
    -- Why it changed; empty for what was registered first.
    reason text NOT NULL DEFAULT '' CHECK (char_length(reason) <= 2000),
    said_by uuid NOT NULL REFERENCES users,
    said_at timestamptz NOT NULL
);
CREATE INDEX licence_facts_by_dataset ON licence_facts (dataset_id, said_at);
CREATE INDEX licence_facts_by_user ON licence_facts (said_by);

-- What stood in the registry before facts were kept. The expression is read anew from the label by whoever shows it.
INSERT INTO licence_facts (id, dataset_id, license, expression, said_by, said_at)
SELECT gen_random_uuid(), id, license, 'NOASSERTION', created_by, created_at FROM datasets;

CREATE TRIGGER licence_facts_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON licence_facts
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- Looked at when the transaction ends: whoever changes the licence in the row has stated the fact too.
CREATE FUNCTION refuse_silent_licence() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    newest text;
BEGIN
    SELECT license INTO newest FROM licence_facts WHERE dataset_id = NEW.id ORDER BY said_at DESC, id DESC LIMIT 1;
    IF newest IS DISTINCT FROM (SELECT license FROM datasets WHERE id = NEW.id) THEN
        RAISE EXCEPTION 'the licence of dataset % was changed without a fact that says so', NEW.id;
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER datasets_show_newest_licence AFTER UPDATE OF license ON datasets
    DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (OLD.license IS DISTINCT FROM NEW.license) EXECUTE FUNCTION refuse_silent_licence();
