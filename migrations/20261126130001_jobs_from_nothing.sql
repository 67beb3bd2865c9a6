-- A model can be trained from nothing: such a job has no base, and every other has one.
ALTER TABLE jobs
    ALTER COLUMN base_model_id DROP NOT NULL,
    ADD CONSTRAINT base_by_task CHECK ((base_model_id IS NULL) = (coalesce(task ->> 'kind', '') = 'pretrain'));
