-- How much of a dataset a model may keep by heart, by the word of its institution; the newest row counts. Append-only.
CREATE TABLE memorisation_limits (
    id uuid PRIMARY KEY,
    dataset_id uuid NOT NULL REFERENCES datasets,
    -- The largest share of the tried documents that may come out word for word; none: no limit.
    most_extracted double precision CHECK (most_extracted BETWEEN 0 AND 1),
    -- The most tokens in a row that may come out; none: no limit.
    longest_match integer CHECK (longest_match >= 0),
    reason text NOT NULL CHECK (char_length(reason) BETWEEN 1 AND 2000),
    recorded_by uuid NOT NULL REFERENCES users,
    recorded_at timestamptz NOT NULL
);
CREATE INDEX memorisation_limits_by_dataset ON memorisation_limits (dataset_id, recorded_at);
CREATE INDEX memorisation_limits_by_user ON memorisation_limits (recorded_by);
CREATE TRIGGER memorisation_limits_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON memorisation_limits
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- The limits that hold for a model: of every dataset that it comes from, by way of others too.
CREATE FUNCTION memorisation_limits_of(model uuid) RETURNS TABLE (
    dataset_id uuid, most_extracted double precision, longest_match integer
) LANGUAGE sql STABLE AS $$
    SELECT newest.dataset_id, newest.most_extracted, newest.longest_match
    FROM (
        SELECT DISTINCT ON (l.dataset_id) l.dataset_id, l.most_extracted, l.longest_match
        FROM lineage_ancestors(ARRAY[model]) a
        JOIN dataset_versions v ON v.id = a.id
        JOIN memorisation_limits l ON l.dataset_id = v.dataset_id
        ORDER BY l.dataset_id, l.recorded_at DESC, l.id DESC
    ) newest
    WHERE newest.most_extracted IS NOT NULL OR newest.longest_match IS NOT NULL
$$;

-- How a model stands to them, by its newest evaluation that measured memorisation on any document at all:
-- no_limit, not_measured, within or exceeded.
CREATE FUNCTION memorisation_standing(model uuid) RETURNS text LANGUAGE sql STABLE AS $$
    WITH strictest AS (
        SELECT count(*) AS datasets, min(most_extracted) AS most_extracted, min(longest_match) AS longest_match
        FROM memorisation_limits_of(model)
    ), newest AS (
        SELECT e.id FROM evaluations e
        WHERE e.model_id = model AND EXISTS (
            SELECT 1 FROM evaluation_figures f
            WHERE f.evaluation_id = e.id AND f.suite = 'memorisation' AND f.name = 'extracted' AND f.items > 0)
        ORDER BY e.created_at DESC, e.id DESC LIMIT 1
    ), measured AS (
        SELECT max(f.value) FILTER (WHERE f.name = 'extracted') AS extracted,
               max(f.value) FILTER (WHERE f.name = 'longest_match') AS longest_match
        FROM newest n JOIN evaluation_figures f ON f.evaluation_id = n.id AND f.suite = 'memorisation'
    )
    SELECT CASE
        WHEN s.datasets = 0 THEN 'no_limit'
        WHEN m.extracted IS NULL OR m.longest_match IS NULL THEN 'not_measured'
        WHEN m.extracted > coalesce(s.most_extracted, 'infinity')
            OR m.longest_match > coalesce(s.longest_match, 'infinity'::double precision) THEN 'exceeded'
        ELSE 'within'
    END
    FROM strictest s CROSS JOIN measured m
$$;

-- Looked at once the row is there, since the row is part of its lineage.
CREATE FUNCTION refuse_release_by_heart() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.kind <> 'base' AND NEW.status = 'released' AND (TG_OP = 'INSERT' OR OLD.status <> 'released')
        AND memorisation_standing(NEW.id) NOT IN ('no_limit', 'within') THEN
        RAISE EXCEPTION 'model % is held back by a limit on memorisation: %', NEW.id, memorisation_standing(NEW.id);
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER models_memorisation AFTER INSERT OR UPDATE OF status ON models
    FOR EACH ROW EXECUTE FUNCTION refuse_release_by_heart();
