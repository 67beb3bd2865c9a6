-- What was measured of a model, with a signed statement of it; append-only.
CREATE TABLE evaluations (
    id uuid PRIMARY KEY,
    model_id uuid NOT NULL REFERENCES models,
    job_id uuid NOT NULL UNIQUE REFERENCES jobs,
    attempt_id uuid NOT NULL REFERENCES attempts,
    -- Which program measured, and the hash of its file where it told it.
    program text NOT NULL CHECK (char_length(program) BETWEEN 1 AND 200),
    program_sha256 text CHECK (program_sha256 ~ '^[0-9a-f]{64}$'),
    -- Of evaluation.json as the program left it.
    report_sha256 text NOT NULL CHECK (report_sha256 ~ '^[0-9a-f]{64}$'),
    -- The DSSE envelope as it was signed.
    envelope text NOT NULL,
    statement_sha256 text NOT NULL CHECK (statement_sha256 ~ '^[0-9a-f]{64}$'),
    keyid text NOT NULL REFERENCES signing_keys (keyid),
    created_at timestamptz NOT NULL
);
CREATE INDEX evaluations_by_model ON evaluations (model_id, created_at);
CREATE INDEX evaluations_by_attempt ON evaluations (attempt_id);
CREATE INDEX evaluations_by_key ON evaluations (keyid);
CREATE TRIGGER evaluations_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON evaluations
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- As with receipts: the signature itself is checked by the portal, everything around it here too.
CREATE FUNCTION refuse_bad_evaluation() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    body bytea := decode(NEW.envelope::jsonb ->> 'payload', 'base64');
    statement jsonb := convert_from(body, 'UTF8')::jsonb;
BEGIN
    IF NOT signing_key_holds(NEW.keyid, NEW.created_at) THEN
        RAISE EXCEPTION 'evaluation % is signed by a key that does not hold', NEW.id;
    END IF;
    IF (NEW.envelope::jsonb #>> '{signatures,0,keyid}') IS DISTINCT FROM NEW.keyid
        OR encode(sha256(body), 'hex') <> NEW.statement_sha256
        OR (statement #>> '{predicate,metadata,finishedOn}')::timestamptz IS DISTINCT FROM NEW.created_at
        OR (statement #>> '{predicate,job}')::uuid IS DISTINCT FROM NEW.job_id
        OR (statement #>> '{predicate,report_sha256}') IS DISTINCT FROM NEW.report_sha256 THEN
        RAISE EXCEPTION 'evaluation % is not what its row says', NEW.id;
    END IF;
    IF EXISTS (
        (SELECT s ->> 'name', s #>> '{digest,sha256}' FROM jsonb_array_elements(statement -> 'subject') s
         EXCEPT SELECT f.name, f.sha256 FROM model_files f WHERE f.model_id = NEW.model_id)
        UNION ALL
        (SELECT f.name, f.sha256 FROM model_files f WHERE f.model_id = NEW.model_id
         EXCEPT SELECT s ->> 'name', s #>> '{digest,sha256}' FROM jsonb_array_elements(statement -> 'subject') s)
    ) THEN
        RAISE EXCEPTION 'evaluation % is about other files than those of model %', NEW.id, NEW.model_id;
    END IF;
    IF NOT EXISTS (SELECT 1 FROM evaluation_jobs e WHERE e.job_id = NEW.job_id AND e.model_id = NEW.model_id)
        OR NOT EXISTS (SELECT 1 FROM attempts a JOIN artifacts r ON r.attempt_id = a.id
                       WHERE a.id = NEW.attempt_id AND a.job_id = NEW.job_id AND r.kind = 'report'
                           AND r.sha256 = NEW.report_sha256) THEN
        RAISE EXCEPTION 'nothing stands behind evaluation %', NEW.id;
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER evaluations_hold BEFORE INSERT ON evaluations FOR EACH ROW EXECUTE FUNCTION refuse_bad_evaluation();

CREATE TABLE evaluation_figures (
    evaluation_id uuid NOT NULL REFERENCES evaluations,
    suite text NOT NULL CHECK (suite IN ('held_out', 'dutch_tasks', 'bias', 'memorisation')),
    name text NOT NULL CHECK (name ~ '^[a-z0-9_]{1,50}$'),
    -- In the order of the report.
    place integer NOT NULL CHECK (place >= 0),
    value double precision NOT NULL CHECK (value > '-infinity' AND value < 'infinity'),
    -- Holds the true value in 95 of 100 cases, where items are a sample.
    low double precision CHECK (low > '-infinity' AND low < 'infinity'),
    high double precision CHECK (high > '-infinity' AND high < 'infinity'),
    items bigint NOT NULL CHECK (items >= 0),
    -- What a model that knows nothing would get.
    chance double precision CHECK (chance > '-infinity' AND chance < 'infinity'),
    PRIMARY KEY (evaluation_id, suite, name),
    CONSTRAINT interval_is_whole CHECK ((low IS NULL) = (high IS NULL) AND low <= high)
);
CREATE TRIGGER evaluation_figures_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON evaluation_figures
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- A figure stands in the signed statement of its evaluation.
CREATE FUNCTION refuse_unsigned_figure() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    statement jsonb;
BEGIN
    SELECT convert_from(decode(e.envelope::jsonb ->> 'payload', 'base64'), 'UTF8')::jsonb INTO statement
        FROM evaluations e WHERE e.id = NEW.evaluation_id;
    IF NOT EXISTS (
        SELECT 1 FROM jsonb_array_elements(statement #> '{predicate,figures}') f
        WHERE f ->> 'suite' = NEW.suite AND f ->> 'name' = NEW.name AND (f ->> 'items')::bigint = NEW.items
            AND (f ->> 'value')::double precision = NEW.value
    ) THEN
        RAISE EXCEPTION 'evaluation % does not state % %', NEW.evaluation_id, NEW.suite, NEW.name;
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER evaluation_figures_signed BEFORE INSERT ON evaluation_figures
    FOR EACH ROW EXECUTE FUNCTION refuse_unsigned_figure();
