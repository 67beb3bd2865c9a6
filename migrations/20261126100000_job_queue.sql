-- What decides when and where an approved job starts, and what it waits for.
ALTER TABLE jobs
    ADD COLUMN priority text NOT NULL DEFAULT 'normal' CHECK (priority IN ('low', 'normal', 'high')),
    -- The name of a place; none: any.
    ADD COLUMN place text CHECK (place ~ '^[a-z0-9-]{1,100}$'),
    -- None: what the settings say.
    ADD COLUMN time_limit_seconds integer CHECK (time_limit_seconds BETWEEN 60 AND 2678400),
    ADD COLUMN waits_for text CHECK (waits_for IN ('room', 'budget', 'place', 'trouble'));
CREATE INDEX jobs_queued ON jobs (approved_at, id) WHERE status = 'approved';
