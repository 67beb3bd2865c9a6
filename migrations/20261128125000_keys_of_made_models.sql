-- Programs written for OpenAI's API ask with one key what they tuned with it: a key may ask the model of its own job once
-- that is released. Whether and how far a model is released stays decided where it was; so does what a key may spend.
CREATE FUNCTION give_model_to_its_key() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    asking uuid;
BEGIN
    SELECT k.id INTO asking
    FROM fine_tuning_jobs f
    JOIN api_keys k ON k.id = f.api_key_id
    WHERE f.id = NEW.job_id
        AND k.institution_id = NEW.institution_id
        AND k.status = 'active' AND k.expires_at > NEW.released_at
        AND k.may_fine_tune AND k.may_infer
        -- What refuse_commercial_key would refuse is left out here: it would stop the release.
        AND (NOT k.is_commercial OR (SELECT r.allows_commercial FROM model_release(NEW.id) r));
    IF asking IS NULL THEN
        RETURN NULL;
    END IF;
    INSERT INTO api_key_models (api_key_id, model_id) VALUES (asking, NEW.id) ON CONFLICT DO NOTHING;
    PERFORM pg_notify('gateway', 'key ' || public_id) FROM api_key_secrets WHERE api_key_id = asking;
    RETURN NULL;
END $$;
CREATE TRIGGER models_to_their_keys AFTER UPDATE OF status ON models
    FOR EACH ROW WHEN (NEW.status = 'released' AND OLD.status <> 'released' AND NEW.job_id IS NOT NULL)
    EXECUTE FUNCTION give_model_to_its_key();

-- Such a key is older than its model, which it reaches from the release on. Nothing comes out of a key, so there is still
-- no circle through one.
CREATE OR REPLACE FUNCTION edges_of_key() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM add_edge('model', NEW.model_id, 'key', NEW.api_key_id, greatest(y.requested_at, m.released_at))
        FROM api_keys y CROSS JOIN models m WHERE y.id = NEW.api_key_id AND m.id = NEW.model_id;
    PERFORM add_edge('deployment', d.id, 'key', NEW.api_key_id, y.requested_at)
        FROM deployments d CROSS JOIN api_keys y
        WHERE d.model_id = NEW.model_id AND d.status <> 'stopped' AND y.id = NEW.api_key_id;
    RETURN NULL;
END $$;
