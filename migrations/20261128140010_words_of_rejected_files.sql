-- Of a file that was found wrong a few words of its lines are kept, to say what is wrong. They are data too: they go when
-- the file is given up, and when its version has to go.
ALTER TABLE dataset_files ADD CONSTRAINT examples_of_rejected CHECK (bad_examples IS NULL OR state = 'rejected');

-- A frozen version's files never change: the manifest hash stays true. Of one that is over the words of its rejected files,
-- which are in no manifest, may still go.
CREATE OR REPLACE FUNCTION refuse_frozen_file() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    found text;
BEGIN
    SELECT status INTO found FROM dataset_versions
        WHERE id = COALESCE(NEW.dataset_version_id, OLD.dataset_version_id);
    IF TG_OP = 'UPDATE' AND found IN ('withdrawn', 'rejected') THEN
        IF NEW.state = 'rejected' AND NEW.bad_examples IS NULL
            AND to_jsonb(NEW) - ARRAY['problem', 'bad_examples'] = to_jsonb(OLD) - ARRAY['problem', 'bad_examples'] THEN
            RETURN NEW;
        END IF;
    END IF;
    IF found NOT IN ('draft', 'changes_requested') THEN
        RAISE EXCEPTION 'dataset version is frozen (%)', found;
    END IF;
    RETURN COALESCE(NEW, OLD);
END $$;

-- Why a file was rejected, without a word of it: a datasets::Problem with no lines and no header.
CREATE FUNCTION without_words(problem jsonb) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$
    SELECT problem || '{"lines": []}'::jsonb
        || CASE WHEN problem ? 'found' THEN '{"found": ""}'::jsonb ELSE '{}'::jsonb END
$$;

-- In the transaction that writes down what has to go.
CREATE FUNCTION erase_words() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE dataset_files SET problem = without_words(problem), bad_examples = NULL
        WHERE id = NEW.file_id AND state = 'rejected';
    RETURN NULL;
END $$;
CREATE TRIGGER purge_items_erase_words AFTER INSERT ON purge_items
    FOR EACH ROW WHEN (NEW.kind = 'object') EXECUTE FUNCTION erase_words();

-- What had to go before.
UPDATE dataset_files f SET problem = without_words(f.problem), bad_examples = NULL
FROM purge_items i WHERE i.file_id = f.id AND i.kind = 'object' AND f.state = 'rejected';
