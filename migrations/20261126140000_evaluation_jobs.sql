-- Jobs that measure a model and make none.
CREATE TABLE evaluation_jobs (
    job_id uuid PRIMARY KEY REFERENCES jobs,
    -- What is measured: the base of the job, or adapters over it.
    model_id uuid NOT NULL REFERENCES models,
    -- The job that made the model, where the portal itself asked for this one; once at most.
    follows_job_id uuid UNIQUE REFERENCES jobs,
    CONSTRAINT not_itself CHECK (follows_job_id <> job_id)
);
CREATE INDEX evaluation_jobs_by_model ON evaluation_jobs (model_id);
CREATE TRIGGER evaluation_jobs_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON evaluation_jobs
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE FUNCTION refuse_bad_evaluation_job() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    job jobs;
    model models;
BEGIN
    SELECT * INTO job FROM jobs WHERE id = NEW.job_id;
    SELECT * INTO model FROM models WHERE id = NEW.model_id;
    IF job.task ->> 'kind' IS DISTINCT FROM 'evaluate' OR job.base_model_id IS NULL
        OR job.base_model_id NOT IN (model.id, coalesce(model.base_model_id, model.id)) THEN
        RAISE EXCEPTION 'job % does not measure model %', NEW.job_id, NEW.model_id;
    END IF;
    -- Without a person's yes of its own only for the model that was approved, on no other data than that, and for no
    -- other use.
    IF NEW.follows_job_id IS NOT NULL AND NOT EXISTS (
        SELECT 1 FROM jobs f WHERE f.id = NEW.follows_job_id AND f.id = model.job_id
            AND (f.approved_by, f.requested_by, f.institution_id, f.purpose, f.is_commercial, f.recipients, f.territory)
                = (job.approved_by, job.requested_by, job.institution_id, job.purpose, job.is_commercial, job.recipients,
                   job.territory)
            AND NOT EXISTS (SELECT dataset_version_id FROM job_datasets WHERE job_id = job.id
                            EXCEPT SELECT dataset_version_id FROM job_datasets WHERE job_id = f.id)
    ) THEN
        RAISE EXCEPTION 'job % does not follow job %', NEW.job_id, NEW.follows_job_id;
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER evaluation_jobs_fit BEFORE INSERT ON evaluation_jobs
    FOR EACH ROW EXECUTE FUNCTION refuse_bad_evaluation_job();
