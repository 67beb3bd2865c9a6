-- How far a model may go follows what was decided, as it was decided: the licence flags that each binding verdict read,
-- not the licence that the dataset has today; what curation took from other datasets counts too; and what is not known
-- allows nothing.

-- What licence flags allow of handing on; an unknown flag or no flags at all: the narrowest.
CREATE FUNCTION licence_allows(flags jsonb) RETURNS TABLE (recipients text, allows_commercial boolean, share_alike boolean)
LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN coalesce((flags ->> 'no_derivatives')::boolean, true) THEN 'consortium' ELSE 'public' END,
        NOT coalesce((flags ->> 'non_commercial')::boolean, true),
        coalesce((flags ->> 'share_alike')::boolean, true)
$$;

-- The flags of the licence that was registered for a dataset at a moment.
CREATE FUNCTION licence_flags_at(dataset uuid, moment timestamptz) RETURNS jsonb LANGUAGE sql STABLE AS $$
    SELECT f.flags FROM licence_facts f WHERE f.dataset_id = dataset AND f.said_at <= moment
    ORDER BY f.said_at DESC, f.id DESC LIMIT 1
$$;

-- What a permission's terms allow of handing on; what they do not say, they do not allow.
CREATE FUNCTION terms_allow(terms jsonb) RETURNS TABLE (recipients text, allows_commercial boolean, territories text[])
LANGUAGE sql IMMUTABLE AS $$
    SELECT coalesce(terms ->> 'recipients', 'consortium'), coalesce((terms ->> 'allows_commercial_use')::boolean, false),
        CASE WHEN jsonb_array_length(coalesce(terms -> 'territories', '[]')) = 0 THEN NULL
            ELSE ARRAY(SELECT jsonb_array_elements_text(terms -> 'territories')) END
$$;

CREATE OR REPLACE FUNCTION model_limits(model uuid) RETURNS TABLE (
    kind text, id uuid, label text, recipients text, allows_commercial boolean, territories text[], share_alike boolean
) LANGUAGE sql STABLE AS $$
    WITH lineage AS (
        SELECT model AS id
        UNION
        SELECT a.id FROM lineage_ancestors(ARRAY[model]) a WHERE a.kind = 'model'
    ), uses AS (
        SELECT u.dataset_version_id, v.dataset_id, u.verdict, u.policy_sha256, u.decided_at
        FROM lineage l
        JOIN models m ON m.id = l.id
        JOIN jobs j ON j.id = m.job_id
        JOIN attempts a ON a.job_id = j.id
            -- The one that succeeded; while the model is being registered, the one under way.
            AND (a.status = 'succeeded' OR (a.status IN ('dispatching', 'running')
                AND NOT EXISTS (SELECT 1 FROM attempts b WHERE b.job_id = j.id AND b.status = 'succeeded')))
        JOIN dataset_uses u ON u.attempt_id = a.id
        JOIN dataset_versions v ON v.id = u.dataset_version_id
    ), upstream AS (
        -- What a version was curated from. Of an earlier version of the same dataset its own permission speaks; of
        -- another dataset nobody was asked at the decision, so everything that held there then counts.
        SELECT DISTINCT v.id AS dataset_version_id, v.dataset_id, u.decided_at
        FROM uses u
        CROSS JOIN LATERAL lineage_ancestors(ARRAY[u.dataset_version_id]) a
        JOIN dataset_versions v ON v.id = a.id AND v.dataset_id <> u.dataset_id
    ), in_force AS (
        SELECT s.dataset_version_id, s.decided_at, p.id, p.dataset_id, p.terms
        FROM upstream s
        JOIN permissions p ON p.dataset_id = s.dataset_id
            AND (p.dataset_version_id IS NULL OR p.dataset_version_id = s.dataset_version_id)
        WHERE (SELECT e.state FROM permission_events e WHERE e.permission_id = p.id AND e.decided_at <= s.decided_at
               ORDER BY e.decided_at DESC, e.id DESC LIMIT 1) IN ('given', 'renewed')
            AND coalesce((p.terms::jsonb ->> 'valid_until')::date
                >= (s.decided_at AT TIME ZONE 'Europe/Amsterdam')::date, true)
    )
    SELECT 'model', m.id, m.name, m.own_recipients, m.own_commercial, m.own_territories, m.own_share_alike
        FROM lineage l JOIN models m ON m.id = l.id
    UNION
    SELECT 'job', j.id, j.title, j.recipients, j.is_commercial, NULL, false
        FROM lineage l JOIN models m ON m.id = l.id JOIN jobs j ON j.id = m.job_id
    UNION
    SELECT 'permission', p.id, d.title, t.recipients, t.allows_commercial, t.territories, false
        FROM uses u
        CROSS JOIN LATERAL jsonb_array_elements(u.verdict -> 'reasons') AS reason
        JOIN permissions p ON p.id = (reason ->> 'permission')::uuid
        JOIN datasets d ON d.id = p.dataset_id
        CROSS JOIN LATERAL terms_allow(p.terms::jsonb) t
    UNION
    SELECT 'permission', f.id, d.title, t.recipients, t.allows_commercial, t.territories, false
        FROM in_force f JOIN datasets d ON d.id = f.dataset_id CROSS JOIN LATERAL terms_allow(f.terms::jsonb) t
    UNION
    -- Nobody had allowed anything of what was taken: it goes no further than the consortium.
    SELECT 'licence', d.id, d.title, 'consortium', false, NULL, false
        FROM upstream s JOIN datasets d ON d.id = s.dataset_id
        WHERE NOT EXISTS (SELECT 1 FROM in_force f
            WHERE f.dataset_version_id = s.dataset_version_id AND f.decided_at = s.decided_at)
    UNION
    SELECT 'licence', d.id, d.title, w.recipients, w.allows_commercial, NULL, w.share_alike
        FROM uses u
        JOIN datasets d ON d.id = u.dataset_id
        LEFT JOIN policies p ON p.sha256 = u.policy_sha256 AND p.rule_set >= 2
        -- Rule set 1 read no flags: of its decisions the licence of that time counts.
        CROSS JOIN LATERAL licence_allows(CASE WHEN p.sha256 IS NULL THEN licence_flags_at(d.id, u.decided_at)
            ELSE p.canonical::jsonb #> '{facts,licence,flags}' END) w
    UNION
    SELECT 'licence', d.id, d.title, w.recipients, w.allows_commercial, NULL, w.share_alike
        FROM upstream s
        JOIN datasets d ON d.id = s.dataset_id
        CROSS JOIN LATERAL licence_allows(licence_flags_at(d.id, s.decided_at)) w
$$;
