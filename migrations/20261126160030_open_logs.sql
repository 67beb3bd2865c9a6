-- Logs that may grow are found without a look at every attempt that ever was.
ALTER TABLE attempts ADD COLUMN log_closed_at timestamptz;
UPDATE attempts a SET log_closed_at = now() FROM attempt_logs l WHERE l.attempt_id = a.id AND l.is_closed;
CREATE INDEX attempts_with_open_log ON attempts (backend, ended_at DESC NULLS FIRST)
    WHERE handle IS NOT NULL AND log_closed_at IS NULL;
