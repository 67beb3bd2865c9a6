-- A pause ends by itself when nobody lets the job go on. What is paused now has its time from now on.
ALTER TABLE jobs ADD COLUMN paused_at timestamptz;
UPDATE jobs SET paused_at = now() WHERE status = 'paused';
ALTER TABLE jobs ADD CONSTRAINT paused_says_since CHECK (status <> 'paused' OR paused_at IS NOT NULL);
CREATE INDEX jobs_paused ON jobs (paused_at) WHERE status = 'paused';
