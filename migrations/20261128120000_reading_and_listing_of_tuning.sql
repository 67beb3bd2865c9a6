-- What the fine-tuning API needs to tell of every bad line at once, to read files beside all else, and to list little.

-- uploads::BadExamples, of a JSONL file that was rejected for its lines: its bytes are deleted, so nobody can look again.
ALTER TABLE dataset_files ADD COLUMN bad_examples jsonb;

-- Which worker reads the files of a job, and until when it may say nothing.
ALTER TABLE fine_tuning_jobs ADD COLUMN examining_by uuid;
ALTER TABLE fine_tuning_jobs ADD COLUMN examining_until timestamptz;

-- An institution has so many open uploads at most.
CREATE INDEX api_uploads_open ON api_uploads (institution_id) WHERE status = 'pending';

-- A job tells of a million steps and of few checkpoints.
CREATE INDEX job_events_checkpoints ON job_events (job_id) WHERE event ->> 'event' = 'checkpoint';
-- The last word of a kind, among as many others: read at each look at a job.
CREATE INDEX job_events_by_kind ON job_events (attempt_id, (event ->> 'event'), number);
