-- Weights are given out as far as the model's release and its lineage allow, and no further.
ALTER TABLE licensees
    -- Where the licensee is established, ISO 3166-1; needed where the model may not go everywhere.
    ADD COLUMN country text CHECK (country ~ '^[A-Z]{2}$');

-- How far a model is given out: as it was released, and never further than its lineage allows.
CREATE FUNCTION model_release(model uuid) RETURNS TABLE (
    recipients text, allows_commercial boolean, territories text[], share_alike boolean
) LANGUAGE sql STABLE AS $$
    SELECT
        CASE WHEN recipients_rank(m.release_recipients) < recipients_rank(s.recipients)
            THEN m.release_recipients ELSE s.recipients END,
        s.allows_commercial AND coalesce(m.release_commercial, true),
        CASE WHEN r.codes IS NULL THEN s.territories
            WHEN s.territories IS NULL THEN r.codes
            ELSE ARRAY(SELECT code FROM unnest(s.territories) AS code WHERE code = ANY (r.codes) ORDER BY code) END,
        s.share_alike OR coalesce(m.release_share_alike, false)
    FROM models m
    CROSS JOIN LATERAL model_scope(m.id) s
    CROSS JOIN LATERAL (SELECT territory_codes(m.release_territories) AS codes) r
    WHERE m.id = model
$$;

-- A research licence needs the circle of research licensees; a professional one that of professionals, and leave to use
-- the model for profit.
CREATE FUNCTION refuse_wider_licence() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    far record;
BEGIN
    SELECT * INTO far FROM model_release(NEW.model_id);
    IF (recipients_rank(far.recipients) >= recipients_rank(NEW.licence || '_licensees')
        AND (NEW.licence <> 'professional' OR far.allows_commercial)
        AND (far.territories IS NULL OR NEW.country = ANY (far.territories))) IS NOT TRUE THEN
        RAISE EXCEPTION 'model % may not be given out under a licence like this: %', NEW.model_id, far;
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER licensees_within_scope BEFORE INSERT OR UPDATE OF model_id, licence, country ON licensees
    FOR EACH ROW EXECUTE FUNCTION refuse_wider_licence();

-- A key for profit likewise.
CREATE OR REPLACE FUNCTION refuse_commercial_key() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT 1 FROM api_keys k WHERE k.id = NEW.api_key_id AND k.is_commercial)
        AND (SELECT r.allows_commercial FROM model_release(NEW.model_id) r) IS NOT TRUE THEN
        RAISE EXCEPTION 'model % may not be used for profit', NEW.model_id;
    END IF;
    RETURN NEW;
END $$;
