-- Models: the bases we may tune and what came out of jobs.
CREATE TABLE models (
    id uuid PRIMARY KEY,
    -- As in requests: `smollm2-135m-instruct`, `ft:smollm2-135m-instruct:harderwijk:archief:0195f2a1`.
    name text NOT NULL UNIQUE CHECK (char_length(name) BETWEEN 1 AND 150),
    kind text NOT NULL CHECK (kind IN ('base', 'adapter')),
    family text NOT NULL,
    license text NOT NULL,
    base_model_id uuid REFERENCES models,
    job_id uuid UNIQUE,
    -- Who may use it: the platform's bases are for everybody.
    institution_id uuid NOT NULL REFERENCES institutions,
    status text NOT NULL CHECK (status IN ('registered', 'released', 'retired')),
    released_by uuid REFERENCES users,
    released_at timestamptz,
    -- Set when a permission in its lineage fell; the model stays visible as such.
    marked_at timestamptz,
    marked_reason text,
    -- Over the sorted list of (name, sha256) of its files.
    weights_sha256 text NOT NULL CHECK (weights_sha256 ~ '^[0-9a-f]{64}$'),
    created_at timestamptz NOT NULL,
    CONSTRAINT adapter_has_lineage CHECK ((kind = 'adapter') = (base_model_id IS NOT NULL AND job_id IS NOT NULL)),
    CONSTRAINT marked_says_why CHECK ((marked_at IS NULL) = (marked_reason IS NULL))
);
CREATE INDEX models_by_institution ON models (institution_id);
CREATE INDEX models_by_base ON models (base_model_id);

CREATE TABLE model_files (
    id uuid PRIMARY KEY,
    model_id uuid NOT NULL REFERENCES models,
    name text NOT NULL,
    size_bytes bigint NOT NULL CHECK (size_bytes > 0),
    sha256 text NOT NULL CHECK (sha256 ~ '^[0-9a-f]{64}$'),
    object_key text NOT NULL,
    object_version text NOT NULL,
    UNIQUE (model_id, name)
);

-- Signed statements about models; append-only.
CREATE TABLE receipts (
    model_id uuid PRIMARY KEY REFERENCES models,
    -- The DSSE envelope as it was signed.
    envelope text NOT NULL,
    statement_sha256 text NOT NULL CHECK (statement_sha256 ~ '^[0-9a-f]{64}$'),
    created_at timestamptz NOT NULL
);
CREATE TRIGGER receipts_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON receipts
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE TABLE deployments (
    id uuid PRIMARY KEY,
    model_id uuid NOT NULL REFERENCES models,
    status text NOT NULL CHECK (status IN ('wanted', 'ready', 'failed', 'stopped')),
    message text,
    -- Where the serving program that has it ready is reached.
    address text,
    created_by uuid NOT NULL REFERENCES users,
    created_at timestamptz NOT NULL,
    seen_at timestamptz,
    stopped_at timestamptz,
    CONSTRAINT stopped_says_when CHECK ((status = 'stopped') = (stopped_at IS NOT NULL))
);
CREATE UNIQUE INDEX deployments_one_live ON deployments (model_id) WHERE status <> 'stopped';

-- A model that is retired, or not released, or an adapter without a receipt cannot be served.
CREATE FUNCTION refuse_unfit_deployment() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.status <> 'stopped' AND NOT EXISTS (
        SELECT 1 FROM models m WHERE m.id = NEW.model_id AND m.status = 'released'
            AND (m.kind = 'base' OR EXISTS (SELECT 1 FROM receipts r WHERE r.model_id = m.id))
    ) THEN
        RAISE EXCEPTION 'model % is not released with a receipt', NEW.model_id;
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER deployments_fit BEFORE INSERT OR UPDATE ON deployments
    FOR EACH ROW EXECUTE FUNCTION refuse_unfit_deployment();
