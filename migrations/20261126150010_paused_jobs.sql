-- A job can rest: it holds no place and no budget, and goes on from its last checkpoint when somebody says so.
ALTER TABLE jobs
    DROP CONSTRAINT jobs_status_check,
    ADD CONSTRAINT jobs_status_check CHECK (status IN ('submitted', 'approved', 'running', 'paused', 'succeeded',
        'failed', 'cancelled', 'rejected', 'blocked')),
    DROP CONSTRAINT runs_only_approved,
    ADD CONSTRAINT runs_only_approved CHECK (status NOT IN ('approved', 'running', 'paused', 'succeeded')
        OR approved_by IS NOT NULL),
    -- Since when its program is asked to put down what it has and leave.
    ADD COLUMN pause_requested_at timestamptz,
    ADD CONSTRAINT asks_only_the_running CHECK (pause_requested_at IS NULL OR status = 'running'),
    -- After a failure that another try may get over: not before this.
    ADD COLUMN not_before timestamptz,
    DROP CONSTRAINT jobs_waits_for_check,
    ADD CONSTRAINT jobs_waits_for_check CHECK (waits_for IN ('room', 'budget', 'place', 'trouble', 'retry'));
