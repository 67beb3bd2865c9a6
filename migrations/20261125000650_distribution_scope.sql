-- How far a model may go: the intersection over everything in its lineage, and a release never wider than that.
ALTER TABLE models
    -- What the model's own licence allows. What a job made has no limit of its own: its lineage says.
    ADD COLUMN own_recipients text NOT NULL DEFAULT 'public'
        CHECK (own_recipients IN ('consortium', 'research_licensees', 'professional_licensees', 'public')),
    ADD COLUMN own_commercial boolean NOT NULL DEFAULT true,
    -- ISO 3166-1 codes, EU, EEA or world; NULL: anywhere. So too below.
    ADD COLUMN own_territories text[],
    ADD COLUMN own_share_alike boolean NOT NULL DEFAULT false,
    -- To whom it was released; where nothing stands here, exactly as far as its lineage allows.
    ADD COLUMN release_recipients text
        CHECK (release_recipients IN ('consortium', 'research_licensees', 'professional_licensees', 'public')),
    ADD COLUMN release_commercial boolean,
    ADD COLUMN release_territories text[],
    ADD COLUMN release_share_alike boolean,
    ADD CONSTRAINT release_says_all CHECK ((release_recipients IS NULL) = (release_commercial IS NULL)
        AND (release_recipients IS NULL) = (release_share_alike IS NULL)
        AND (release_territories IS NULL OR release_recipients IS NOT NULL));

-- Elements of Creative Commons licences, by SPDX id.
CREATE FUNCTION licence_has(license text, element text) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$
    SELECT element = ANY (string_to_array(upper(license), '-'))
$$;
UPDATE models SET own_commercial = NOT licence_has(license, 'NC'), own_share_alike = licence_has(license, 'SA')
    WHERE kind = 'base';

-- The countries of a list of territories; NULL: anywhere.
CREATE FUNCTION territory_codes(territories text[]) RETURNS text[] LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN territories IS NULL OR 'world' = ANY (territories) THEN NULL ELSE ARRAY(
        SELECT DISTINCT code FROM unnest(territories) AS territory
        CROSS JOIN LATERAL unnest(CASE territory
            WHEN 'EU' THEN string_to_array('AT BE BG CY CZ DE DK EE ES FI FR GR HR HU IE IT LT LU LV MT NL PL PT RO SE SI SK', ' ')
            WHEN 'EEA' THEN string_to_array('AT BE BG CY CZ DE DK EE ES FI FR GR HR HU IE IS IT LI LT LU LV MT NL NO PL PT RO SE SI SK', ' ')
            ELSE ARRAY[territory] END) AS code
        ORDER BY code) END
$$;

CREATE FUNCTION recipients_rank(recipients text) RETURNS integer LANGUAGE sql IMMUTABLE AS $$
    SELECT array_position(ARRAY['consortium', 'research_licensees', 'professional_licensees', 'public'], recipients)
$$;

-- Everything that limits a model: its own licence and those of all models before it, what their jobs asked for and
-- were decided on, the terms of every permission that a binding verdict read, and the licences of the datasets.
CREATE FUNCTION model_limits(model uuid) RETURNS TABLE (
    kind text, id uuid, label text, recipients text, allows_commercial boolean, territories text[], share_alike boolean
) LANGUAGE sql STABLE AS $$
    WITH lineage AS (
        SELECT model AS id
        UNION
        SELECT a.id FROM lineage_ancestors(ARRAY[model]) a WHERE a.kind = 'model'
    ), uses AS (
        SELECT j.id AS job, u.dataset_version_id, u.verdict
        FROM lineage l
        JOIN models m ON m.id = l.id
        JOIN jobs j ON j.id = m.job_id
        JOIN attempts a ON a.job_id = j.id
            -- The one that succeeded; while the model is being registered, the one under way.
            AND (a.status = 'succeeded' OR (a.status IN ('dispatching', 'running')
                AND NOT EXISTS (SELECT 1 FROM attempts b WHERE b.job_id = j.id AND b.status = 'succeeded')))
        JOIN dataset_uses u ON u.attempt_id = a.id
    )
    SELECT 'model', m.id, m.name, m.own_recipients, m.own_commercial, m.own_territories, m.own_share_alike
        FROM lineage l JOIN models m ON m.id = l.id
    UNION
    SELECT 'job', j.id, j.title, j.recipients, j.is_commercial, NULL, false
        FROM lineage l JOIN models m ON m.id = l.id JOIN jobs j ON j.id = m.job_id
    UNION
    SELECT 'permission', p.id, d.title, p.terms::jsonb ->> 'recipients',
            (p.terms::jsonb ->> 'allows_commercial_use')::boolean,
            CASE WHEN jsonb_array_length(coalesce(p.terms::jsonb -> 'territories', '[]')) = 0 THEN NULL
                ELSE ARRAY(SELECT jsonb_array_elements_text(p.terms::jsonb -> 'territories')) END,
            false
        FROM uses u
        CROSS JOIN LATERAL jsonb_array_elements(u.verdict -> 'reasons') AS reason
        JOIN permissions p ON p.id = (reason ->> 'permission')::uuid
        JOIN datasets d ON d.id = p.dataset_id
    UNION
    SELECT 'licence', d.id, d.title, 'public', NOT licence_has(d.license, 'NC'), NULL, licence_has(d.license, 'SA')
        FROM uses u JOIN dataset_versions v ON v.id = u.dataset_version_id JOIN datasets d ON d.id = v.dataset_id
$$;

CREATE FUNCTION model_scope(model uuid) RETURNS TABLE (
    recipients text, allows_commercial boolean, territories text[], share_alike boolean
) LANGUAGE sql STABLE AS $$
    WITH limits AS (
        SELECT row_number() OVER () AS number, l.*, territory_codes(l.territories) AS codes FROM model_limits(model) l
    ), placed AS (
        SELECT number, codes FROM limits WHERE codes IS NOT NULL
    )
    SELECT
        (ARRAY['consortium', 'research_licensees', 'professional_licensees', 'public'])[min(recipients_rank(l.recipients))],
        bool_and(l.allows_commercial),
        CASE WHEN NOT EXISTS (SELECT 1 FROM placed) THEN NULL ELSE ARRAY(
            SELECT code FROM placed CROSS JOIN LATERAL unnest(placed.codes) AS code
            GROUP BY code HAVING count(*) = (SELECT count(*) FROM placed) ORDER BY code) END,
        bool_or(l.share_alike)
    FROM limits l
$$;

CREATE FUNCTION refuse_wider_release() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    scope record;
BEGIN
    SELECT * INTO scope FROM model_scope(NEW.id);
    IF recipients_rank(NEW.release_recipients) > recipients_rank(scope.recipients)
        OR (NEW.release_commercial AND NOT scope.allows_commercial)
        OR (scope.share_alike AND NOT NEW.release_share_alike)
        OR (scope.territories IS NOT NULL
            AND (NEW.release_territories IS NULL OR NOT territory_codes(NEW.release_territories) <@ scope.territories
                OR territory_codes(NEW.release_territories) IS NULL)) THEN
        RAISE EXCEPTION 'model % may not go further than its lineage: %', NEW.id, scope;
    END IF;
    RETURN NULL;
END $$;
-- After the row is there, so that it counts as part of its own lineage.
CREATE TRIGGER models_release_within_scope AFTER INSERT OR UPDATE OF status, release_recipients, release_commercial,
        release_territories, release_share_alike, own_recipients, own_commercial, own_territories, own_share_alike
    ON models FOR EACH ROW WHEN (NEW.release_recipients IS NOT NULL AND NEW.status = 'released')
    EXECUTE FUNCTION refuse_wider_release();

-- A key for profit reaches no model that may not be used for profit.
CREATE FUNCTION refuse_commercial_key() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT 1 FROM api_keys k WHERE k.id = NEW.api_key_id AND k.is_commercial)
        AND NOT (SELECT coalesce(m.release_commercial, s.allows_commercial)
            FROM models m CROSS JOIN LATERAL model_scope(m.id) s WHERE m.id = NEW.model_id) THEN
        RAISE EXCEPTION 'model % may not be used for profit', NEW.model_id;
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER api_key_models_within_scope BEFORE INSERT ON api_key_models
    FOR EACH ROW EXECUTE FUNCTION refuse_commercial_key();
