-- When a file goes by itself, where its sender said so: not once it was handed in as a dataset.
ALTER TABLE api_files ADD COLUMN expires_at timestamptz CHECK (expires_at > created_at);
CREATE INDEX api_files_to_expire ON api_files (expires_at) WHERE deleted_at IS NULL;
-- Of the file that the parts become, from its own creation.
ALTER TABLE api_uploads ADD COLUMN file_expires_seconds integer CHECK (file_expires_seconds BETWEEN 3600 AND 2592000);
