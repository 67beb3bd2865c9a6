-- Which request puts an upload together: one whose claim ran out and went to another writes nothing any more.
ALTER TABLE api_uploads ADD COLUMN completing_by uuid;
