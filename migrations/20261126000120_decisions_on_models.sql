-- Two more ways in which a quarantined model is decided on, and who has to agree.

-- A lift goes against what the right holder asked for, so it takes two: an operator prepares it, a legal reviewer
-- confirms it.
CREATE TABLE lift_proposals (
    withdrawal_id uuid NOT NULL,
    model_id uuid NOT NULL,
    reason text NOT NULL CHECK (char_length(reason) BETWEEN 1 AND 2000),
    proposed_by uuid NOT NULL REFERENCES users,
    proposed_at timestamptz NOT NULL,
    PRIMARY KEY (withdrawal_id, model_id),
    FOREIGN KEY (withdrawal_id, model_id) REFERENCES withdrawal_models
);
CREATE INDEX lift_proposals_by_user ON lift_proposals (proposed_by);
CREATE INDEX lift_proposals_by_model ON lift_proposals (model_id);
CREATE TRIGGER lift_proposals_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON lift_proposals
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- A model that was made anew takes the place of the one that goes.
ALTER TABLE model_decisions
    ADD COLUMN replaced_by uuid REFERENCES models,
    DROP CONSTRAINT model_decisions_decision_check,
    ADD CONSTRAINT model_decisions_decision_check CHECK (decision IN ('retire', 'lift', 'retrained')),
    ADD CONSTRAINT retrained_says_by_what CHECK ((decision = 'retrained') = (replaced_by IS NOT NULL));
CREATE INDEX model_decisions_by_replacement ON model_decisions (replaced_by);

-- What of a withdrawal is in the lineage of a model: versions that were withdrawn, jobs that asked for one, models that
-- are touched.
CREATE FUNCTION withdrawn_lineage(withdrawal uuid, model uuid) RETURNS SETOF uuid LANGUAGE sql STABLE AS $$
    SELECT a.id FROM (SELECT model AS id UNION SELECT l.id FROM lineage_ancestors(ARRAY[model]) l) a
    WHERE EXISTS (SELECT 1 FROM withdrawal_versions v WHERE v.withdrawal_id = withdrawal AND v.dataset_version_id = a.id)
       OR EXISTS (SELECT 1 FROM job_datasets j JOIN withdrawal_versions v ON v.dataset_version_id = j.dataset_version_id
                  WHERE v.withdrawal_id = withdrawal AND j.job_id = a.id)
       OR EXISTS (SELECT 1 FROM withdrawal_models m WHERE m.withdrawal_id = withdrawal AND m.model_id = a.id)
$$;

CREATE FUNCTION refuse_unfounded_decision() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.decision = 'lift' AND NOT EXISTS (
        SELECT 1 FROM lift_proposals p WHERE p.withdrawal_id = NEW.withdrawal_id AND p.model_id = NEW.model_id
            AND p.proposed_by <> NEW.decided_by
    ) THEN
        RAISE EXCEPTION 'nobody else proposed to use model % again', NEW.model_id;
    END IF;
    IF NEW.decision = 'retrained' AND EXISTS (SELECT 1 FROM withdrawn_lineage(NEW.withdrawal_id, NEW.replaced_by)) THEN
        RAISE EXCEPTION 'model % has withdrawn data in its lineage', NEW.replaced_by;
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER model_decisions_founded BEFORE INSERT ON model_decisions
    FOR EACH ROW EXECUTE FUNCTION refuse_unfounded_decision();
