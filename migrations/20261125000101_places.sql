-- Where the result of a job is used and where an attempt computes: permissions may limit both. What was asked before
-- was for the Netherlands, on machines there.
ALTER TABLE jobs ADD COLUMN territory text NOT NULL DEFAULT 'NL' CHECK (territory ~ '^([A-Z]{2}|EEA|world)$');
ALTER TABLE attempts ADD COLUMN processing_location text NOT NULL DEFAULT 'NL'
    CHECK (processing_location ~ '^([A-Z]{2}|EEA|world)$');
