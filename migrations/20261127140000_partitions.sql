-- Where a job stands at its place: a Slurm partition.
ALTER TABLE attempt_reports ADD COLUMN partition text;
