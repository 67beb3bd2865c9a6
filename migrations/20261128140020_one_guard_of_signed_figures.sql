-- Figures and what was found of each dataset stand in the signed statement of their evaluation: one guard knows both, so that
-- neither falls behind the other.
CREATE FUNCTION refuse_unsigned() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    statement jsonb;
BEGIN
    SELECT convert_from(decode(e.envelope::jsonb ->> 'payload', 'base64'), 'UTF8')::jsonb INTO statement
        FROM evaluations e WHERE e.id = NEW.evaluation_id;
    CASE TG_TABLE_NAME
        WHEN 'evaluation_figures' THEN
            IF NOT EXISTS (
                SELECT 1 FROM jsonb_array_elements(statement #> '{predicate,figures}') f
                WHERE f ->> 'suite' = NEW.suite AND f ->> 'name' = NEW.name AND (f ->> 'items')::bigint = NEW.items
                    AND (f ->> 'value')::double precision = NEW.value
            ) THEN
                RAISE EXCEPTION 'evaluation % does not state % %', NEW.evaluation_id, NEW.suite, NEW.name;
            END IF;
        WHEN 'evaluation_datasets' THEN
            IF NOT EXISTS (
                SELECT 1 FROM jsonb_array_elements(statement #> '{predicate,datasets}') d
                WHERE (d ->> 'dataset_version')::uuid = NEW.dataset_version_id
                    AND (d ->> 'documents')::bigint = NEW.documents AND (d ->> 'items')::bigint = NEW.items
                    AND (d ->> 'extracted')::double precision = NEW.extracted
                    AND (d ->> 'longest_match')::bigint = NEW.longest_match
                    AND (d #>> '{interval,0}')::double precision IS NOT DISTINCT FROM NEW.low
                    AND (d #>> '{interval,1}')::double precision IS NOT DISTINCT FROM NEW.high
            ) THEN
                RAISE EXCEPTION 'evaluation % does not state this of dataset version %',
                    NEW.evaluation_id, NEW.dataset_version_id;
            END IF;
            -- It is about data that were read for it.
            IF NOT EXISTS (
                SELECT 1 FROM evaluations e JOIN job_datasets j ON j.job_id = e.job_id
                WHERE e.id = NEW.evaluation_id AND j.dataset_version_id = NEW.dataset_version_id
            ) THEN
                RAISE EXCEPTION 'evaluation % did not read dataset version %', NEW.evaluation_id, NEW.dataset_version_id;
            END IF;
    END CASE;
    RETURN NEW;
END $$;
CREATE OR REPLACE TRIGGER evaluation_figures_signed BEFORE INSERT ON evaluation_figures
    FOR EACH ROW EXECUTE FUNCTION refuse_unsigned();
CREATE OR REPLACE TRIGGER evaluation_datasets_signed BEFORE INSERT ON evaluation_datasets
    FOR EACH ROW EXECUTE FUNCTION refuse_unsigned();
DROP FUNCTION refuse_unsigned_figure();
DROP FUNCTION refuse_unsigned_dataset();
