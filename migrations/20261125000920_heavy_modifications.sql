-- A modification of one third of the base's training compute makes a new model in the sense of the Commission's
-- guidelines on general-purpose AI; such a model is not released before a legal reviewer decided. The compute of
-- all modifications along the chain is added up; where the base's own is not known, a third of 1e23 FLOP counts.
CREATE FUNCTION needs_modification_decision(model uuid) RETURNS boolean LANGUAGE sql STABLE AS $$
    WITH RECURSIVE chain AS (
        SELECT id, base_model_id, job_id FROM models WHERE id = model
        UNION
        SELECT m.id, m.base_model_id, m.job_id FROM models m JOIN chain c ON m.id = c.base_model_id
    ), modified AS (
        SELECT coalesce(sum((a.outcome ->> 'flop')::double precision), 0) AS flop
        FROM chain c JOIN attempts a ON a.job_id = c.job_id AND a.status = 'succeeded'
    ), compared AS (
        SELECT coalesce((SELECT f.training_flop FROM chain c JOIN base_model_facts f ON f.model_id = c.id
                         WHERE c.base_model_id IS NULL ORDER BY f.recorded_at DESC, f.id DESC LIMIT 1), 1e23) AS flop
    )
    SELECT modified.flop * 3 >= compared.flop AND NOT EXISTS (
        SELECT 1 FROM modification_decisions d WHERE d.model_id = model
            -- A decision on less compute, or on a larger base, was about something else.
            AND d.cumulative_flop >= modified.flop * 0.999999 AND d.reference_flop <= compared.flop * 1.000001)
    FROM modified, compared
$$;

CREATE FUNCTION refuse_undecided_release() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.kind <> 'base' AND NEW.status = 'released' AND OLD.status <> 'released'
        AND needs_modification_decision(NEW.id) THEN
        RAISE EXCEPTION 'model % is modified by a third or more and nobody decided on that', NEW.id;
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER models_heavy_modification BEFORE UPDATE OF status ON models
    FOR EACH ROW EXECUTE FUNCTION refuse_undecided_release();
