-- A heavily modified model that comes in as released waits for the decision too. Looked at once the row is there, since
-- the row is part of the chain that is added up.
CREATE OR REPLACE FUNCTION refuse_undecided_release() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.kind <> 'base' AND NEW.status = 'released' AND (TG_OP = 'INSERT' OR OLD.status <> 'released')
        AND needs_modification_decision(NEW.id) THEN
        RAISE EXCEPTION 'model % is modified by a third or more and nobody decided on that', NEW.id;
    END IF;
    RETURN NULL;
END $$;
DROP TRIGGER models_heavy_modification ON models;
CREATE TRIGGER models_heavy_modification AFTER INSERT OR UPDATE OF status ON models
    FOR EACH ROW EXECUTE FUNCTION refuse_undecided_release();
