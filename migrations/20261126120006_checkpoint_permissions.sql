-- Leave for a project to use a checkpoint, as OpenAI's API keeps it.
CREATE TABLE checkpoint_permissions (
    id uuid PRIMARY KEY,
    job_id uuid NOT NULL REFERENCES fine_tuning_jobs,
    step integer NOT NULL CHECK (step >= 0),
    project text NOT NULL CHECK (char_length(project) BETWEEN 1 AND 100),
    created_by uuid NOT NULL REFERENCES users,
    created_at timestamptz NOT NULL,
    deleted_at timestamptz
);
CREATE UNIQUE INDEX checkpoint_permissions_one ON checkpoint_permissions (job_id, step, project) WHERE deleted_at IS NULL;
