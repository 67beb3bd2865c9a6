-- A model that may not be used until somebody decides, or never again: its data was withdrawn.
ALTER TABLE models
    ADD COLUMN quarantined_at timestamptz,
    -- What the agreement says: made anew without the data, or taken out of use.
    ADD COLUMN quarantine text CHECK (quarantine IN ('retrain', 'retire')),
    ADD CONSTRAINT quarantine_says_why CHECK ((quarantined_at IS NULL) = (quarantine IS NULL)),
    ADD CONSTRAINT quarantined_is_marked CHECK (quarantined_at IS NULL OR marked_at IS NOT NULL);
CREATE INDEX models_quarantined ON models (quarantined_at) WHERE quarantined_at IS NOT NULL;
CREATE INDEX jobs_by_base ON jobs (base_model_id);

-- It is neither released nor served nor tuned, whatever the pages say.
CREATE FUNCTION refuse_quarantined_release() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.quarantined_at IS NOT NULL AND NEW.status = 'released' AND OLD.status <> 'released' THEN
        RAISE EXCEPTION 'model % is quarantined', NEW.id;
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER models_quarantined_not_released BEFORE UPDATE ON models
    FOR EACH ROW EXECUTE FUNCTION refuse_quarantined_release();

CREATE FUNCTION refuse_quarantined_deployment() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.status <> 'stopped' AND EXISTS (
        SELECT 1 FROM models m WHERE m.id = NEW.model_id AND m.quarantined_at IS NOT NULL
    ) THEN
        RAISE EXCEPTION 'model % is quarantined', NEW.model_id;
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER deployments_not_quarantined BEFORE INSERT OR UPDATE ON deployments
    FOR EACH ROW EXECUTE FUNCTION refuse_quarantined_deployment();

CREATE FUNCTION refuse_quarantined_base() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (TG_OP = 'INSERT' OR NEW.status = 'running' AND OLD.status <> 'running') AND EXISTS (
        SELECT 1 FROM models m WHERE m.id = NEW.base_model_id AND m.quarantined_at IS NOT NULL
    ) THEN
        RAISE EXCEPTION 'model % is quarantined', NEW.base_model_id;
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER jobs_not_on_quarantined BEFORE INSERT OR UPDATE OF status ON jobs
    FOR EACH ROW EXECUTE FUNCTION refuse_quarantined_base();

-- A version that was withdrawn keeps in mind what it was: one that everybody knew of stays known.
ALTER TABLE dataset_versions
    ADD COLUMN withdrawn_from text CHECK (withdrawn_from IN ('draft', 'submitted', 'changes_requested', 'approved')),
    ADD CONSTRAINT withdrawn_says_from CHECK ((status = 'withdrawn') = (withdrawn_from IS NOT NULL));
