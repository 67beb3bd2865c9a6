-- What was found about rights at the source of a dataset: each look is a fact, also one that found nobody home.
CREATE TABLE rights_checks (
    id uuid PRIMARY KEY,
    dataset_id uuid NOT NULL REFERENCES datasets,
    dataset_version_id uuid NOT NULL REFERENCES dataset_versions,
    source_url text NOT NULL CHECK (char_length(source_url) BETWEEN 1 AND 2000),
    outcome text NOT NULL CHECK (outcome IN ('read', 'gone', 'unreachable', 'refused')),
    -- Why it could not be read, as a code; empty where it could.
    problem text NOT NULL DEFAULT '' CHECK (problem ~ '^[a-z0-9_]{0,60}$'),
    http_status integer CHECK (http_status BETWEEN 100 AND 599),
    -- The licence as it stands at the source, and as an SPDX expression made of that.
    license_label text CHECK (char_length(license_label) BETWEEN 1 AND 500),
    license_expression text CHECK (char_length(license_expression) BETWEEN 1 AND 200),
    reservation text NOT NULL CHECK (reservation IN ('reserved', 'not_reserved', 'unset', 'unknown')),
    reservation_policy text CHECK (char_length(reservation_policy) BETWEEN 1 AND 2000),
    robots text NOT NULL CHECK (robots IN ('allowed', 'disallowed', 'absent', 'unknown')),
    -- What a person wrote with it.
    note text NOT NULL DEFAULT '' CHECK (char_length(note) <= 5000),
    -- Who looked: a person, or a program with its version.
    checked_by uuid REFERENCES users,
    checked_with text CHECK (char_length(checked_with) BETWEEN 1 AND 100),
    -- When the source was looked at, and when this was written down.
    checked_at timestamptz NOT NULL,
    recorded_at timestamptz NOT NULL,
    CONSTRAINT somebody_looked CHECK ((checked_by IS NULL) <> (checked_with IS NULL)),
    CONSTRAINT looked_before_written CHECK (checked_at <= recorded_at),
    CONSTRAINT read_or_says_why CHECK ((outcome = 'read') = (problem = '')),
    CONSTRAINT label_has_expression CHECK ((license_label IS NULL) = (license_expression IS NULL)),
    CONSTRAINT not_read_is_unknown CHECK (outcome = 'read' OR (license_label IS NULL AND reservation = 'unknown'))
);
CREATE INDEX rights_checks_by_dataset ON rights_checks (dataset_id, recorded_at);
CREATE INDEX rights_checks_by_version ON rights_checks (dataset_version_id);
CREATE INDEX rights_checks_by_user ON rights_checks (checked_by);
CREATE TRIGGER rights_checks_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON rights_checks
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- What was seen in each place, as it was: the evidence of a check.
CREATE TABLE rights_signals (
    id uuid PRIMARY KEY,
    check_id uuid NOT NULL REFERENCES rights_checks,
    place text NOT NULL CHECK (place IN ('robots', 'tdmrep', 'header', 'meta', 'licence', 'page', 'quote', 'upload')),
    url text NOT NULL CHECK (char_length(url) <= 2000),
    http_status integer CHECK (http_status BETWEEN 100 AND 599),
    -- What the place says, in short; empty where it says nothing.
    says text NOT NULL DEFAULT '' CHECK (char_length(says) <= 2000),
    -- The beginning of the raw text; the whole of it is in the object store where it is longer.
    excerpt text NOT NULL DEFAULT '' CHECK (octet_length(excerpt) <= 8192),
    sha256 text CHECK (sha256 ~ '^[0-9a-f]{64}$'),
    size_bytes bigint NOT NULL CHECK (size_bytes >= 0),
    is_cut boolean NOT NULL,
    media_type text NOT NULL DEFAULT 'text/plain' CHECK (char_length(media_type) <= 100),
    object_key text,
    object_version text,
    CONSTRAINT seen_has_hash CHECK ((size_bytes = 0) OR (sha256 IS NOT NULL)),
    CONSTRAINT object_is_exact CHECK ((object_key IS NULL) = (object_version IS NULL))
);
CREATE INDEX rights_signals_by_check ON rights_signals (check_id);
CREATE TRIGGER rights_signals_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON rights_signals
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- When a source is looked at again. A plan, not a fact: it changes, and the audit log says who changed it.
CREATE TABLE rights_schedules (
    dataset_id uuid PRIMARY KEY REFERENCES datasets,
    source_url text NOT NULL CHECK (char_length(source_url) BETWEEN 1 AND 2000),
    every_days integer NOT NULL CHECK (every_days BETWEEN 1 AND 365),
    next_due timestamptz NOT NULL,
    set_by uuid NOT NULL REFERENCES users,
    set_at timestamptz NOT NULL
);
CREATE INDEX rights_schedules_due ON rights_schedules (next_due);
CREATE INDEX rights_schedules_by_user ON rights_schedules (set_by);

-- A check that says something else than the one before it; it waits for both sides to look at it.
CREATE TABLE rights_changes (
    id uuid PRIMARY KEY,
    dataset_id uuid NOT NULL REFERENCES datasets,
    check_id uuid NOT NULL REFERENCES rights_checks,
    previous_check_id uuid REFERENCES rights_checks,
    what text NOT NULL CHECK (what IN ('licence', 'reservation', 'policy', 'robots', 'differs_from_registered',
        'not_reachable', 'reachable_again')),
    was text NOT NULL CHECK (char_length(was) <= 2000),
    became text NOT NULL CHECK (char_length(became) <= 2000),
    found_at timestamptz NOT NULL,
    UNIQUE (check_id, what)
);
CREATE INDEX rights_changes_by_dataset ON rights_changes (dataset_id, found_at);
CREATE INDEX rights_changes_by_previous ON rights_changes (previous_check_id);
CREATE TRIGGER rights_changes_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON rights_changes
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE TABLE rights_change_notes (
    id uuid PRIMARY KEY,
    change_id uuid NOT NULL REFERENCES rights_changes,
    side text NOT NULL CHECK (side IN ('institution', 'platform')),
    note text NOT NULL CHECK (char_length(note) BETWEEN 1 AND 2000),
    noted_by uuid NOT NULL REFERENCES users,
    noted_at timestamptz NOT NULL,
    UNIQUE (change_id, side)
);
CREATE INDEX rights_change_notes_by_user ON rights_change_notes (noted_by);
CREATE TRIGGER rights_change_notes_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON rights_change_notes
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
