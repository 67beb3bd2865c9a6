-- The search index holds every word of a file with its place: it is a copy, and goes with proof as the others do.
ALTER TABLE purge_items
    DROP CONSTRAINT purge_items_kind_check,
    DROP CONSTRAINT kind_says_what,
    ADD CONSTRAINT purge_items_kind_check CHECK (kind IN ('object', 'index', 'work_folder')),
    ADD CONSTRAINT kind_says_what CHECK ((kind IN ('object', 'index')) = (file_id IS NOT NULL)
        AND (kind = 'work_folder') = (attempt_id IS NOT NULL AND place IS NOT NULL));
