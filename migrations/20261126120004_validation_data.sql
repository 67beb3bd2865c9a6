-- Data of a job that it is measured on and does not learn from.
ALTER TABLE job_datasets ADD COLUMN is_validation boolean NOT NULL DEFAULT false;
