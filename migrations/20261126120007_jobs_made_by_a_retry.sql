-- Made by a request that an SDK sent again, while the first one had not come in: when that comes, it finds this job.
ALTER TABLE fine_tuning_jobs ADD COLUMN awaits_first boolean NOT NULL DEFAULT false;
