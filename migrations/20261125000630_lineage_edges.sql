-- What came out of what: one graph, from dataset versions down to keys, written by the rows that are the facts.
-- An edge points the way that data flows. Ids are unique over all kinds, so that an id alone is a node.
CREATE TABLE lineage_edges (
    from_kind text NOT NULL,
    from_id uuid NOT NULL,
    to_kind text NOT NULL,
    to_id uuid NOT NULL,
    at timestamptz NOT NULL,
    PRIMARY KEY (from_id, to_id),
    CONSTRAINT known_arrow CHECK ((from_kind, to_kind) IN (
        ('dataset_version', 'curation_run'), ('curation_run', 'dataset_version'),
        ('dataset_version', 'job'), ('model', 'job'), ('job', 'model'), ('model', 'model'),
        ('model', 'deployment'), ('deployment', 'key'), ('model', 'key'))),
    CONSTRAINT not_to_itself CHECK (from_id <> to_id)
);
CREATE INDEX lineage_edges_upstream ON lineage_edges (to_id, from_id);
CREATE TRIGGER lineage_edges_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON lineage_edges
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- The recursive definition. Everything that came out of the roots, without them.
CREATE FUNCTION lineage_descendants(roots uuid[]) RETURNS TABLE (kind text, id uuid)
LANGUAGE sql STABLE ROWS 1000 AS $$
    WITH RECURSIVE walk (kind, id) AS (
        SELECT e.to_kind, e.to_id FROM lineage_edges e WHERE e.from_id = ANY (roots)
        UNION
        SELECT e.to_kind, e.to_id FROM walk w JOIN lineage_edges e ON e.from_id = w.id
    )
    SELECT walk.kind, walk.id FROM walk
$$;
-- Everything that the roots came out of, without them.
CREATE FUNCTION lineage_ancestors(roots uuid[]) RETURNS TABLE (kind text, id uuid)
LANGUAGE sql STABLE ROWS 1000 AS $$
    WITH RECURSIVE walk (kind, id) AS (
        SELECT e.from_kind, e.from_id FROM lineage_edges e WHERE e.to_id = ANY (roots)
        UNION
        SELECT e.from_kind, e.from_id FROM walk w JOIN lineage_edges e ON e.to_id = w.id
    )
    SELECT walk.kind, walk.id FROM walk
$$;
-- As lineage_descendants, and with the jobs that asked for a version whether or not they have read it: what a
-- withdrawal touches.
CREATE FUNCTION lineage_touched(versions uuid[]) RETURNS TABLE (kind text, id uuid)
LANGUAGE sql STABLE ROWS 1000 AS $$
    WITH RECURSIVE walk (kind, id) AS (
        SELECT 'dataset_version'::text, root FROM unnest(versions) AS root
        UNION
        SELECT next.kind, next.id FROM walk w CROSS JOIN LATERAL (
            SELECT e.to_kind AS kind, e.to_id AS id FROM lineage_edges e WHERE e.from_id = w.id
            UNION ALL
            SELECT 'job', j.job_id FROM job_datasets j WHERE j.dataset_version_id = w.id
        ) next
    )
    SELECT walk.kind, walk.id FROM walk WHERE walk.id <> ALL (versions)
$$;

-- An edge says what a row says; there is none that nothing stands behind.
CREATE FUNCTION lineage_edge_is_founded(e lineage_edges) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT CASE e.from_kind || ' > ' || e.to_kind
        WHEN 'dataset_version > curation_run' THEN EXISTS (SELECT 1 FROM curation_run_inputs i
            WHERE i.run_id = e.to_id AND i.dataset_version_id = e.from_id)
        WHEN 'curation_run > dataset_version' THEN EXISTS (SELECT 1 FROM curation_runs r
            WHERE r.id = e.from_id AND r.output_version_id = e.to_id)
        WHEN 'dataset_version > job' THEN EXISTS (SELECT 1 FROM attempts a
            JOIN files_read f ON f.attempt_id = a.id
            WHERE a.job_id = e.to_id AND f.dataset_version_id = e.from_id)
        WHEN 'model > job' THEN EXISTS (SELECT 1 FROM attempts a
            JOIN jobs j ON j.id = a.job_id
            JOIN files_read f ON f.attempt_id = a.id
            WHERE a.job_id = e.to_id AND j.base_model_id = e.from_id AND f.dataset_version_id IS NULL)
        WHEN 'job > model' THEN EXISTS (SELECT 1 FROM models m WHERE m.id = e.to_id AND m.job_id = e.from_id)
        WHEN 'model > model' THEN EXISTS (SELECT 1 FROM models m WHERE m.id = e.to_id AND m.base_model_id = e.from_id)
        WHEN 'model > deployment' THEN EXISTS (SELECT 1 FROM deployments d
            WHERE d.id = e.to_id AND d.model_id = e.from_id)
        WHEN 'deployment > key' THEN EXISTS (SELECT 1 FROM deployments d
            JOIN api_key_models k ON k.model_id = d.model_id WHERE d.id = e.from_id AND k.api_key_id = e.to_id)
        WHEN 'model > key' THEN EXISTS (SELECT 1 FROM api_key_models k
            WHERE k.model_id = e.from_id AND k.api_key_id = e.to_id)
        ELSE false
    END
$$;

CREATE FUNCTION refuse_bad_edge() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    -- Jobs, models, deployments and keys are younger than what they come from, so nothing can close a circle
    -- through them. Versions and runs are put together afterwards: one at a time, or two could close one together.
    IF NEW.to_kind IN ('curation_run', 'dataset_version') THEN
        PERFORM pg_advisory_xact_lock(hashtext('lineage_edges'));
    END IF;
    IF NOT lineage_edge_is_founded(NEW) THEN
        RAISE EXCEPTION 'no row stands behind an edge from % % to % %',
            NEW.from_kind, NEW.from_id, NEW.to_kind, NEW.to_id;
    END IF;
    IF EXISTS (SELECT 1 FROM lineage_descendants(ARRAY[NEW.to_id]) d WHERE d.id = NEW.from_id) THEN
        RAISE EXCEPTION '% % comes out of % % already: lineage has no circles',
            NEW.from_kind, NEW.from_id, NEW.to_kind, NEW.to_id;
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER lineage_edges_founded BEFORE INSERT ON lineage_edges
    FOR EACH ROW EXECUTE FUNCTION refuse_bad_edge();

-- The rows write their edges themselves: none can be forgotten.
CREATE FUNCTION add_edge(from_kind text, from_id uuid, to_kind text, to_id uuid, at timestamptz) RETURNS void
LANGUAGE sql AS $$
    INSERT INTO lineage_edges (from_kind, from_id, to_kind, to_id, at) VALUES ($1, $2, $3, $4, $5)
    ON CONFLICT DO NOTHING
$$;

CREATE FUNCTION edge_of_curation_run() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM add_edge('curation_run', NEW.id, 'dataset_version', NEW.output_version_id, NEW.created_at);
    RETURN NULL;
END $$;
CREATE TRIGGER curation_runs_edge AFTER INSERT ON curation_runs FOR EACH ROW EXECUTE FUNCTION edge_of_curation_run();

CREATE FUNCTION edge_of_curation_input() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM add_edge('dataset_version', NEW.dataset_version_id, 'curation_run', NEW.run_id, r.created_at)
        FROM curation_runs r WHERE r.id = NEW.run_id;
    RETURN NULL;
END $$;
CREATE TRIGGER curation_run_inputs_edge AFTER INSERT ON curation_run_inputs
    FOR EACH ROW EXECUTE FUNCTION edge_of_curation_input();

CREATE FUNCTION edge_of_file_read() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM CASE WHEN NEW.dataset_version_id IS NULL
            THEN add_edge('model', j.base_model_id, 'job', j.id, NEW.told_at)
            ELSE add_edge('dataset_version', NEW.dataset_version_id, 'job', j.id, NEW.told_at) END
        FROM attempts a JOIN jobs j ON j.id = a.job_id WHERE a.id = NEW.attempt_id;
    RETURN NULL;
END $$;
CREATE TRIGGER files_read_edge AFTER INSERT ON files_read FOR EACH ROW EXECUTE FUNCTION edge_of_file_read();

CREATE FUNCTION edges_of_model() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.job_id IS NOT NULL THEN
        PERFORM add_edge('job', NEW.job_id, 'model', NEW.id, NEW.created_at);
        PERFORM add_edge('model', NEW.base_model_id, 'model', NEW.id, NEW.created_at);
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER models_edges AFTER INSERT ON models FOR EACH ROW EXECUTE FUNCTION edges_of_model();

CREATE FUNCTION edges_of_deployment() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM add_edge('model', NEW.model_id, 'deployment', NEW.id, NEW.created_at);
    PERFORM add_edge('deployment', NEW.id, 'key', k.api_key_id, NEW.created_at)
        FROM api_key_models k JOIN api_keys y ON y.id = k.api_key_id
        WHERE k.model_id = NEW.model_id AND y.status IN ('requested', 'approved', 'active');
    RETURN NULL;
END $$;
CREATE TRIGGER deployments_edges AFTER INSERT ON deployments FOR EACH ROW EXECUTE FUNCTION edges_of_deployment();

CREATE FUNCTION edges_of_key() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM add_edge('model', NEW.model_id, 'key', NEW.api_key_id, y.requested_at)
        FROM api_keys y WHERE y.id = NEW.api_key_id;
    PERFORM add_edge('deployment', d.id, 'key', NEW.api_key_id, y.requested_at)
        FROM deployments d CROSS JOIN api_keys y
        WHERE d.model_id = NEW.model_id AND d.status <> 'stopped' AND y.id = NEW.api_key_id;
    RETURN NULL;
END $$;
CREATE TRIGGER api_key_models_edges AFTER INSERT ON api_key_models FOR EACH ROW EXECUTE FUNCTION edges_of_key();

-- What was there before.
INSERT INTO lineage_edges (from_kind, from_id, to_kind, to_id, at)
SELECT 'dataset_version', r.dataset_version_id, 'job', a.job_id, min(r.told_at)
FROM files_read r JOIN attempts a ON a.id = r.attempt_id
WHERE r.dataset_version_id IS NOT NULL GROUP BY r.dataset_version_id, a.job_id;
INSERT INTO lineage_edges (from_kind, from_id, to_kind, to_id, at)
SELECT 'job', m.job_id, 'model', m.id, m.created_at FROM models m WHERE m.job_id IS NOT NULL;
INSERT INTO lineage_edges (from_kind, from_id, to_kind, to_id, at)
SELECT 'model', m.base_model_id, 'model', m.id, m.created_at FROM models m WHERE m.base_model_id IS NOT NULL;
INSERT INTO lineage_edges (from_kind, from_id, to_kind, to_id, at)
SELECT 'model', d.model_id, 'deployment', d.id, d.created_at FROM deployments d;
INSERT INTO lineage_edges (from_kind, from_id, to_kind, to_id, at)
SELECT 'model', k.model_id, 'key', k.api_key_id, y.requested_at
FROM api_key_models k JOIN api_keys y ON y.id = k.api_key_id;
INSERT INTO lineage_edges (from_kind, from_id, to_kind, to_id, at)
SELECT 'deployment', d.id, 'key', k.api_key_id, greatest(d.created_at, y.requested_at)
FROM deployments d JOIN api_key_models k ON k.model_id = d.model_id JOIN api_keys y ON y.id = k.api_key_id
WHERE d.status <> 'stopped';

-- Complete: a model that a job made has an edge for each version that the job read. Deferred, since the readings
-- may be written after the model; from the first row of this migration on.
CREATE FUNCTION refuse_model_without_lineage() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    missing uuid;
BEGIN
    SELECT t.dataset_version_id INTO missing
        FROM attempts a JOIN tokens_read t ON t.attempt_id = a.id
        WHERE a.job_id = NEW.job_id
            AND NOT EXISTS (SELECT 1 FROM lineage_edges e WHERE e.from_id = t.dataset_version_id AND e.to_id = NEW.job_id)
        LIMIT 1;
    IF missing IS NOT NULL THEN
        RAISE EXCEPTION 'model % was made from dataset version %, which its lineage does not name', NEW.id, missing;
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER models_have_lineage AFTER INSERT ON models
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (NEW.job_id IS NOT NULL)
    EXECUTE FUNCTION refuse_model_without_lineage();

-- What others came out of stays.
CREATE FUNCTION refuse_delete_with_lineage() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT 1 FROM lineage_edges e WHERE e.from_id = OLD.id) THEN
        RAISE EXCEPTION '% % stays: something came out of it', TG_TABLE_NAME, OLD.id;
    END IF;
    RETURN OLD;
END $$;
CREATE TRIGGER dataset_versions_stay BEFORE DELETE ON dataset_versions
    FOR EACH ROW EXECUTE FUNCTION refuse_delete_with_lineage();
CREATE TRIGGER jobs_stay BEFORE DELETE ON jobs FOR EACH ROW EXECUTE FUNCTION refuse_delete_with_lineage();
CREATE TRIGGER models_stay BEFORE DELETE ON models FOR EACH ROW EXECUTE FUNCTION refuse_delete_with_lineage();
CREATE TRIGGER deployments_stay BEFORE DELETE ON deployments
    FOR EACH ROW EXECUTE FUNCTION refuse_delete_with_lineage();
CREATE TRIGGER api_keys_stay BEFORE DELETE ON api_keys FOR EACH ROW EXECUTE FUNCTION refuse_delete_with_lineage();
