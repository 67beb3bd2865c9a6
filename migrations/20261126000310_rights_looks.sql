-- How often a site was looked at lately, whosever the dataset.
CREATE INDEX rights_checks_by_moment ON rights_checks (recorded_at) WHERE checked_with IS NOT NULL;
