-- How one dataset version came out of others: curated, or a version without the documents that had to go.
CREATE TABLE curation_runs (
    id uuid PRIMARY KEY,
    -- One run has one output, and a version comes out of one run at most.
    output_version_id uuid NOT NULL UNIQUE REFERENCES dataset_versions,
    kind text NOT NULL CHECK (kind IN ('curation', 'exclusion')),
    -- The settings of the run as canonical JSON text, and the hash of that text.
    config text NOT NULL CHECK (char_length(config) <= 100000),
    config_sha256 text NOT NULL CHECK (config_sha256 = encode(sha256(convert_to(config, 'UTF8')), 'hex')),
    -- The commit of the code that ran.
    code_commit text NOT NULL CHECK (code_commit ~ '^([0-9a-f]{40}|[0-9a-f]{64}|development)$'),
    -- Documents in and out for each step, and what else the run counted.
    statistics jsonb NOT NULL CHECK (jsonb_typeof(statistics) = 'object'),
    -- Nobody for the portal's own worker.
    created_by uuid REFERENCES users,
    created_at timestamptz NOT NULL
);
CREATE INDEX curation_runs_by_person ON curation_runs (created_by);
CREATE TRIGGER curation_runs_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON curation_runs
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE TABLE curation_run_inputs (
    run_id uuid NOT NULL REFERENCES curation_runs,
    dataset_version_id uuid NOT NULL REFERENCES dataset_versions,
    PRIMARY KEY (run_id, dataset_version_id)
);
CREATE INDEX curation_run_inputs_by_version ON curation_run_inputs (dataset_version_id);
CREATE TRIGGER curation_run_inputs_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON curation_run_inputs
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- A run that read nothing made nothing. Deferred: the inputs come after the run.
CREATE FUNCTION refuse_run_without_input() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (SELECT 1 FROM curation_run_inputs i WHERE i.run_id = NEW.id) THEN
        RAISE EXCEPTION 'curation run % has no input', NEW.id;
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER curation_runs_read_something AFTER INSERT ON curation_runs
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION refuse_run_without_input();
