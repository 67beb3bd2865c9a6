-- A key that may send files and ask for jobs as the person who requested it; keys of before may not.
ALTER TABLE api_keys ADD COLUMN may_fine_tune boolean NOT NULL DEFAULT false;
