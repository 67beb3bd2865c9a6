-- What a key used counts for the project under which the key stood then, also after it was moved. A day, key and model can
-- so have two rows. Gateways of before cannot book beside this: they answer 503 until they are replaced, and lose nothing.
ALTER TABLE usage_days ADD COLUMN project_id uuid REFERENCES quota_nodes;
-- Where a key stood on earlier days was not kept; where it stands today is the nearest to it.
UPDATE usage_days d SET project_id = p.id
FROM quota_nodes n JOIN quota_nodes p ON p.id = n.parent_id AND p.kind = 'project'
WHERE n.id = d.api_key_id;
ALTER TABLE usage_days DROP CONSTRAINT usage_days_pkey;
CREATE UNIQUE INDEX usage_days_once ON usage_days (api_key_id, day, model_id, project_id) NULLS NOT DISTINCT;
CREATE INDEX usage_days_by_project ON usage_days (project_id, day);
-- For lists over all institutions, newest day first.
CREATE INDEX usage_days_by_day ON usage_days (day, api_key_id, model_id);
