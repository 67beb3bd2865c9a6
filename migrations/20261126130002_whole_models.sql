-- A job makes adapters over a base, or a whole model: from a base whose every weight was trained on, or from nothing.
ALTER TABLE models
    DROP CONSTRAINT models_kind_check,
    ADD CONSTRAINT models_kind_check CHECK (kind IN ('base', 'adapter', 'whole')),
    DROP CONSTRAINT adapter_has_lineage,
    ADD CONSTRAINT kind_has_lineage CHECK ((kind = 'base') = (job_id IS NULL)
        AND (base_model_id IS NULL OR kind <> 'base') AND (base_model_id IS NOT NULL OR kind <> 'adapter'));

-- It comes out of the base that its job started from, and of no other; from nothing, of no model at all.
CREATE FUNCTION refuse_other_base() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.kind = 'whole' AND NEW.base_model_id IS DISTINCT FROM (SELECT j.base_model_id FROM jobs j WHERE j.id = NEW.job_id) THEN
        RAISE EXCEPTION 'model % says another base than its job %', NEW.id, NEW.job_id;
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER models_base_of_job BEFORE INSERT ON models FOR EACH ROW EXECUTE FUNCTION refuse_other_base();

CREATE OR REPLACE FUNCTION edges_of_model() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.job_id IS NOT NULL THEN
        PERFORM add_edge('job', NEW.job_id, 'model', NEW.id, NEW.created_at);
    END IF;
    IF NEW.base_model_id IS NOT NULL THEN
        PERFORM add_edge('model', NEW.base_model_id, 'model', NEW.id, NEW.created_at);
    END IF;
    RETURN NULL;
END $$;
