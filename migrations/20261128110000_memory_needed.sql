-- So that what a job holds in memory can be told, and refused, before it is asked for.
-- The sizes of a base as its files state them; null where they do not, and of models that are no bases.
ALTER TABLE models ADD COLUMN shape jsonb CHECK (jsonb_typeof(shape) = 'object');
-- At the peak, at least; null where nobody can say.
ALTER TABLE job_estimates ADD COLUMN memory_bytes bigint CHECK (memory_bytes >= 0);
