-- What an attempt learnt from data stands in the store as well: it goes with proof as the copies of the data do.
ALTER TABLE purge_items
    DROP CONSTRAINT purge_items_kind_check,
    DROP CONSTRAINT kind_says_what,
    ADD CONSTRAINT purge_items_kind_check CHECK (kind IN ('object', 'index', 'work_folder', 'artifact')),
    ADD CONSTRAINT kind_says_what CHECK ((kind IN ('object', 'index')) = (file_id IS NOT NULL)
        AND (kind IN ('work_folder', 'artifact')) = (attempt_id IS NOT NULL)
        AND (kind = 'work_folder') = (place IS NOT NULL));
