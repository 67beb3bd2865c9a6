-- A job that measures adapters reads their files beside those of the base under them.
CREATE OR REPLACE FUNCTION refuse_unfounded_read() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.dataset_version_id IS NULL THEN
        PERFORM 1 FROM attempts a
            JOIN jobs j ON j.id = a.job_id
            LEFT JOIN evaluation_jobs e ON e.job_id = j.id
            JOIN model_files f ON f.model_id IN (j.base_model_id, e.model_id)
            WHERE a.id = NEW.attempt_id AND f.id = NEW.file_id AND f.sha256 = NEW.expected_sha256;
    ELSE
        PERFORM 1 FROM attempts a
            JOIN job_datasets d ON d.job_id = a.job_id AND d.dataset_version_id = NEW.dataset_version_id
            JOIN dataset_files f ON f.dataset_version_id = d.dataset_version_id
            WHERE a.id = NEW.attempt_id AND f.id = NEW.file_id AND f.sha256 = NEW.expected_sha256;
    END IF;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'file % is not one that attempt % reads', NEW.file_id, NEW.attempt_id;
    END IF;
    IF NOT EXISTS (SELECT 1 FROM read_grants g
        WHERE g.attempt_id = NEW.attempt_id AND g.file_id = NEW.file_id AND g.is_allowed) THEN
        RAISE EXCEPTION 'attempt % read file % without leave', NEW.attempt_id, NEW.file_id;
    END IF;
    RETURN NEW;
END $$;

-- Such a job comes from the adapters, too.
CREATE OR REPLACE FUNCTION lineage_edge_is_founded(e lineage_edges) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT CASE e.from_kind || ' > ' || e.to_kind
        WHEN 'dataset_version > curation_run' THEN EXISTS (SELECT 1 FROM curation_run_inputs i
            WHERE i.run_id = e.to_id AND i.dataset_version_id = e.from_id)
        WHEN 'curation_run > dataset_version' THEN EXISTS (SELECT 1 FROM curation_runs r
            WHERE r.id = e.from_id AND r.output_version_id = e.to_id)
        WHEN 'dataset_version > job' THEN EXISTS (SELECT 1 FROM attempts a
            JOIN files_read f ON f.attempt_id = a.id
            WHERE a.job_id = e.to_id AND f.dataset_version_id = e.from_id)
        WHEN 'model > job' THEN EXISTS (SELECT 1 FROM attempts a
            JOIN files_read f ON f.attempt_id = a.id
            JOIN model_files m ON m.id = f.file_id
            WHERE a.job_id = e.to_id AND m.model_id = e.from_id AND f.dataset_version_id IS NULL)
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

CREATE OR REPLACE FUNCTION edge_of_file_read() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.dataset_version_id IS NULL THEN
        PERFORM add_edge('model', m.model_id, 'job', a.job_id, NEW.told_at)
            FROM attempts a JOIN model_files m ON m.id = NEW.file_id WHERE a.id = NEW.attempt_id;
    ELSE
        PERFORM add_edge('dataset_version', NEW.dataset_version_id, 'job', a.job_id, NEW.told_at)
            FROM attempts a WHERE a.id = NEW.attempt_id;
    END IF;
    RETURN NULL;
END $$;
