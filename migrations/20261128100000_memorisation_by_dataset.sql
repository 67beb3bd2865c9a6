-- What a model keeps by heart of each dataset: a limit is no limit where none of the documents that it guards were tried.
CREATE TABLE evaluation_datasets (
    evaluation_id uuid NOT NULL REFERENCES evaluations,
    dataset_version_id uuid NOT NULL REFERENCES dataset_versions,
    -- Of it, that the model learnt from.
    documents bigint NOT NULL CHECK (documents >= 0),
    -- Those of them that were tried.
    items bigint NOT NULL CHECK (items >= 0),
    -- The share of these that came out word for word.
    extracted double precision NOT NULL CHECK (extracted BETWEEN 0 AND 1),
    -- Holds the share over all its documents in 95 of 100 cases.
    low double precision CHECK (low BETWEEN 0 AND 1),
    high double precision CHECK (high BETWEEN 0 AND 1),
    -- Tokens of the longest stretch of it in anything that the model wrote.
    longest_match bigint NOT NULL CHECK (longest_match >= 0),
    PRIMARY KEY (evaluation_id, dataset_version_id),
    CONSTRAINT tried_were_learnt CHECK (items <= documents),
    CONSTRAINT interval_is_whole CHECK ((low IS NULL) = (high IS NULL) AND low <= high)
);
CREATE INDEX evaluation_datasets_by_version ON evaluation_datasets (dataset_version_id);
CREATE TRIGGER evaluation_datasets_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON evaluation_datasets
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- Like a figure, it stands in the signed statement of its evaluation; and it is about data that were read for it.
CREATE FUNCTION refuse_unsigned_dataset() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    statement jsonb;
BEGIN
    SELECT convert_from(decode(e.envelope::jsonb ->> 'payload', 'base64'), 'UTF8')::jsonb INTO statement
        FROM evaluations e WHERE e.id = NEW.evaluation_id;
    IF NOT EXISTS (
        SELECT 1 FROM jsonb_array_elements(statement #> '{predicate,datasets}') d
        WHERE (d ->> 'dataset_version')::uuid = NEW.dataset_version_id
            AND (d ->> 'documents')::bigint = NEW.documents AND (d ->> 'items')::bigint = NEW.items
            AND (d ->> 'extracted')::double precision = NEW.extracted
            AND (d ->> 'longest_match')::bigint = NEW.longest_match
            AND (d #>> '{interval,0}')::double precision IS NOT DISTINCT FROM NEW.low
            AND (d #>> '{interval,1}')::double precision IS NOT DISTINCT FROM NEW.high
    ) THEN
        RAISE EXCEPTION 'evaluation % does not state this of dataset version %', NEW.evaluation_id, NEW.dataset_version_id;
    END IF;
    IF NOT EXISTS (
        SELECT 1 FROM evaluations e JOIN job_datasets j ON j.job_id = e.job_id
        WHERE e.id = NEW.evaluation_id AND j.dataset_version_id = NEW.dataset_version_id
    ) THEN
        RAISE EXCEPTION 'evaluation % did not read dataset version %', NEW.evaluation_id, NEW.dataset_version_id;
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER evaluation_datasets_signed BEFORE INSERT ON evaluation_datasets
    FOR EACH ROW EXECUTE FUNCTION refuse_unsigned_dataset();

-- The evaluation that limits are held against: the newest one that tried any document at all.
CREATE FUNCTION memorisation_newest(model uuid) RETURNS uuid LANGUAGE sql STABLE AS $$
    SELECT e.id FROM evaluations e
    WHERE e.model_id = model AND EXISTS (
        SELECT 1 FROM evaluation_figures f
        WHERE f.evaluation_id = e.id AND f.suite = 'memorisation' AND f.name = 'extracted' AND f.items > 0)
    ORDER BY e.created_at DESC, e.id DESC LIMIT 1
$$;

-- Each version that the model learnt from, once for every dataset with a limit that it is of or was curated from, with
-- what that evaluation found of it; nulls where it says nothing of it. Data that a model was only measured on are not
-- among them: nothing of those was learnt.
CREATE FUNCTION memorisation_by_limit(model uuid) RETURNS TABLE (
    dataset_id uuid, most_extracted double precision, most_match integer, dataset_version_id uuid,
    documents bigint, items bigint, extracted double precision, longest_match bigint
) LANGUAGE sql STABLE AS $$
    SELECT l.dataset_id, l.most_extracted, l.longest_match, j.dataset_version_id,
           f.documents, f.items, f.extracted, f.longest_match
    FROM models m
    JOIN job_datasets j ON j.job_id = m.job_id AND NOT j.is_validation
    JOIN memorisation_limits_of(model) l ON EXISTS (
        SELECT 1 FROM dataset_versions v
        WHERE v.dataset_id = l.dataset_id
            AND (v.id = j.dataset_version_id
                 OR v.id IN (SELECT a.id FROM lineage_ancestors(ARRAY[j.dataset_version_id]) a)))
    LEFT JOIN evaluation_datasets f
        ON f.evaluation_id = memorisation_newest(model) AND f.dataset_version_id = j.dataset_version_id
    WHERE m.id = model
$$;

-- Whether documents of a version were tried, or there were none to try; unknown is no.
CREATE FUNCTION memorisation_is_tried(documents bigint, items bigint) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$
    SELECT coalesce(items > 0 OR documents = 0, false)
$$;

-- Over all data together by the strictest limit, and for each dataset with a limit by what was found of its own. Beyond
-- comes before not measured: more tries can only find more.
CREATE OR REPLACE FUNCTION memorisation_standing(model uuid) RETURNS text LANGUAGE sql STABLE AS $$
    WITH strictest AS (
        SELECT count(*) AS datasets, min(most_extracted) AS most_extracted, min(longest_match) AS longest_match
        FROM memorisation_limits_of(model)
    ), measured AS (
        SELECT max(f.value) FILTER (WHERE f.name = 'extracted') AS extracted,
               max(f.value) FILTER (WHERE f.name = 'longest_match') AS longest_match
        FROM evaluation_figures f
        WHERE f.evaluation_id = memorisation_newest(model) AND f.suite = 'memorisation'
    ), own AS (
        SELECT coalesce(bool_or(b.extracted > b.most_extracted OR b.longest_match > b.most_match), false) AS is_beyond,
               coalesce(bool_and(memorisation_is_tried(b.documents, b.items)), true) AS is_tried
        FROM memorisation_by_limit(model) b
    )
    SELECT CASE
        WHEN s.datasets = 0 THEN 'no_limit'
        WHEN m.extracted IS NULL OR m.longest_match IS NULL THEN 'not_measured'
        WHEN m.extracted > coalesce(s.most_extracted, 'infinity')
            OR m.longest_match > coalesce(s.longest_match, 'infinity'::double precision)
            OR o.is_beyond THEN 'exceeded'
        WHEN NOT o.is_tried THEN 'not_measured'
        ELSE 'within'
    END
    FROM strictest s CROSS JOIN measured m CROSS JOIN own o
$$;
