-- What a job told is read by steps and by pages, however much it told: up to two million events an attempt.
-- An operator may have built these beforehand, beside running jobs; see docs/operations.md.

-- The last word on a step of an attempt, and its first and last step.
CREATE INDEX IF NOT EXISTS job_events_by_step
    ON job_events (attempt_id, (event ->> 'event'), ((event ->> 'step')::bigint), number);
-- What is listed, in its order.
CREATE INDEX IF NOT EXISTS job_events_listed ON job_events (job_id, occurred_at, attempt_id, number)
    WHERE event ->> 'event' NOT IN ('phase', 'measured', 'file_read');
