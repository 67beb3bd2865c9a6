-- A receipt names its key and is about exactly the files of its model; without one nothing is served.
ALTER TABLE receipts ADD COLUMN keyid text REFERENCES signing_keys (keyid);
CREATE INDEX receipts_by_key ON receipts (keyid);

-- The signature itself is checked by the portal; everything around it here too, so that a receipt written past the
-- portal is refused.
CREATE FUNCTION refuse_bad_receipt() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    body bytea := decode(NEW.envelope::jsonb ->> 'payload', 'base64');
    statement jsonb := convert_from(body, 'UTF8')::jsonb;
BEGIN
    IF NEW.keyid IS NULL OR NOT signing_key_holds(NEW.keyid, NEW.created_at) THEN
        RAISE EXCEPTION 'the receipt of model % is signed by a key that does not hold', NEW.model_id;
    END IF;
    IF (NEW.envelope::jsonb #>> '{signatures,0,keyid}') IS DISTINCT FROM NEW.keyid
        OR encode(sha256(body), 'hex') <> NEW.statement_sha256
        OR (statement #>> '{predicate,runDetails,metadata,finishedOn}')::timestamptz IS DISTINCT FROM NEW.created_at THEN
        RAISE EXCEPTION 'the receipt of model % is not what its row says', NEW.model_id;
    END IF;
    IF EXISTS (
        (SELECT s ->> 'name', s #>> '{digest,sha256}' FROM jsonb_array_elements(statement -> 'subject') s
         EXCEPT SELECT f.name, f.sha256 FROM model_files f WHERE f.model_id = NEW.model_id)
        UNION ALL
        (SELECT f.name, f.sha256 FROM model_files f WHERE f.model_id = NEW.model_id
         EXCEPT SELECT s ->> 'name', s #>> '{digest,sha256}' FROM jsonb_array_elements(statement -> 'subject') s)
    ) THEN
        RAISE EXCEPTION 'the receipt of model % is about other files', NEW.model_id;
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER receipts_hold BEFORE INSERT ON receipts FOR EACH ROW EXECUTE FUNCTION refuse_bad_receipt();

-- What a receipt is about does not change afterwards.
CREATE FUNCTION refuse_swapped_file() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        IF EXISTS (SELECT 1 FROM receipts r WHERE r.model_id = NEW.model_id) THEN
            RAISE EXCEPTION 'model % has its receipt, and so its files', NEW.model_id;
        END IF;
        RETURN NEW;
    END IF;
    IF TG_OP = 'DELETE' OR (NEW.id, NEW.model_id, NEW.name, NEW.size_bytes, NEW.sha256)
        IS DISTINCT FROM (OLD.id, OLD.model_id, OLD.name, OLD.size_bytes, OLD.sha256) THEN
        RAISE EXCEPTION 'the files of model % stay as in its receipt', OLD.model_id;
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER model_files_stay BEFORE INSERT OR UPDATE OR DELETE ON model_files
    FOR EACH ROW EXECUTE FUNCTION refuse_swapped_file();

CREATE FUNCTION refuse_other_origin() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (NEW.id, NEW.name, NEW.kind, NEW.family, NEW.base_model_id, NEW.job_id, NEW.institution_id, NEW.weights_sha256,
        NEW.created_at) IS DISTINCT FROM (OLD.id, OLD.name, OLD.kind, OLD.family, OLD.base_model_id, OLD.job_id,
        OLD.institution_id, OLD.weights_sha256, OLD.created_at) THEN
        RAISE EXCEPTION 'what model % is and comes from does not change', OLD.id;
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER models_keep_origin BEFORE UPDATE ON models FOR EACH ROW EXECUTE FUNCTION refuse_other_origin();

-- Bases have a receipt of their coming in: no model is served without one.
CREATE OR REPLACE FUNCTION refuse_unfit_deployment() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.status <> 'stopped' AND NOT EXISTS (
        SELECT 1 FROM models m JOIN receipts r ON r.model_id = m.id WHERE m.id = NEW.model_id AND m.status = 'released'
    ) THEN
        RAISE EXCEPTION 'model % is not released with a receipt', NEW.model_id;
    END IF;
    RETURN NEW;
END $$;
