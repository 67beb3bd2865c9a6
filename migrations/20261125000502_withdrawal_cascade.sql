-- What each withdrawal covered, what it touched, what has to follow by when, and that it did.
ALTER TABLE withdrawals
    -- By the right holder's manager, or by the platform's legal reviewer.
    ADD COLUMN kind text NOT NULL DEFAULT 'withdrawn' CHECK (kind IN ('withdrawn', 'revoked')),
    ADD COLUMN scope text NOT NULL DEFAULT 'dataset' CHECK (scope IN ('dataset', 'version', 'layer', 'permission')),
    ADD COLUMN dataset_version_id uuid REFERENCES dataset_versions,
    ADD COLUMN layer text CHECK (layer IN ('copyright', 'personal_data', 'confidentiality')),
    ADD COLUMN permission_id uuid REFERENCES permissions,
    -- The strictest of what the withdrawn permissions say about models.
    ADD COLUMN on_withdrawal text NOT NULL DEFAULT 'retrain' CHECK (on_withdrawal IN ('keep', 'retrain', 'retire')),
    -- By when copies are gone; none where another permission still covers every copy.
    ADD COLUMN delete_by timestamptz,
    ADD CONSTRAINT scope_says_what CHECK (
        (scope = 'version') = (dataset_version_id IS NOT NULL)
        AND (scope = 'layer') = (layer IS NOT NULL)
        AND (scope = 'permission') = (permission_id IS NOT NULL));
CREATE INDEX withdrawals_by_institution ON withdrawals (institution_id, id);
CREATE INDEX withdrawals_by_version ON withdrawals (dataset_version_id);
CREATE INDEX withdrawals_by_permission ON withdrawals (permission_id);

CREATE TABLE withdrawal_versions (
    withdrawal_id uuid NOT NULL REFERENCES withdrawals,
    dataset_version_id uuid NOT NULL REFERENCES dataset_versions,
    PRIMARY KEY (withdrawal_id, dataset_version_id)
);
CREATE INDEX withdrawal_versions_by_version ON withdrawal_versions (dataset_version_id);

CREATE TABLE withdrawal_jobs (
    withdrawal_id uuid NOT NULL REFERENCES withdrawals,
    job_id uuid NOT NULL REFERENCES jobs,
    -- Blocked before it began, asked to stop, or over when it was withdrawn.
    consequence text NOT NULL CHECK (consequence IN ('blocked', 'asked_to_stop', 'over')),
    PRIMARY KEY (withdrawal_id, job_id)
);
CREATE INDEX withdrawal_jobs_by_job ON withdrawal_jobs (job_id);

CREATE TABLE withdrawal_models (
    withdrawal_id uuid NOT NULL REFERENCES withdrawals,
    model_id uuid NOT NULL REFERENCES models,
    consequence text NOT NULL CHECK (consequence IN ('keep', 'retrain', 'retire')),
    was_served boolean NOT NULL,
    PRIMARY KEY (withdrawal_id, model_id)
);
CREATE INDEX withdrawal_models_by_model ON withdrawal_models (model_id);

CREATE TABLE withdrawal_keys (
    withdrawal_id uuid NOT NULL REFERENCES withdrawals,
    api_key_id uuid NOT NULL REFERENCES api_keys,
    PRIMARY KEY (withdrawal_id, api_key_id)
);
CREATE INDEX withdrawal_keys_by_key ON withdrawal_keys (api_key_id);

-- What an operator decided about a quarantined model.
CREATE TABLE model_decisions (
    withdrawal_id uuid NOT NULL,
    model_id uuid NOT NULL,
    decision text NOT NULL CHECK (decision IN ('retire', 'lift')),
    reason text NOT NULL CHECK (char_length(reason) BETWEEN 1 AND 2000),
    decided_by uuid NOT NULL REFERENCES users,
    decided_at timestamptz NOT NULL,
    PRIMARY KEY (withdrawal_id, model_id),
    FOREIGN KEY (withdrawal_id, model_id) REFERENCES withdrawal_models
);
CREATE INDEX model_decisions_by_user ON model_decisions (decided_by);

-- What has to be done, by which role, by when; and that it was.
CREATE TABLE withdrawal_duties (
    id uuid PRIMARY KEY,
    withdrawal_id uuid NOT NULL REFERENCES withdrawals,
    kind text NOT NULL CHECK (kind IN ('purge', 'decide_models', 'update_documents')),
    owner_role text NOT NULL CHECK (owner_role IN ('operator', 'legal_reviewer')),
    due_at timestamptz NOT NULL,
    UNIQUE (withdrawal_id, kind)
);
CREATE INDEX withdrawal_duties_due ON withdrawal_duties (due_at);
CREATE TABLE withdrawal_duty_ends (
    duty_id uuid PRIMARY KEY REFERENCES withdrawal_duties,
    note text NOT NULL CHECK (char_length(note) <= 2000),
    -- none: the portal's own worker
    ended_by uuid REFERENCES users,
    ended_at timestamptz NOT NULL
);
CREATE INDEX withdrawal_duty_ends_by_user ON withdrawal_duty_ends (ended_by);

-- Copies that have to go: an object with all its versions, or the work folder of an attempt on one machine.
CREATE TABLE purge_items (
    id uuid PRIMARY KEY,
    withdrawal_id uuid NOT NULL REFERENCES withdrawals,
    kind text NOT NULL CHECK (kind IN ('object', 'work_folder')),
    -- The object's key, or the attempt.
    name text NOT NULL,
    -- Where the folder is, as attempts name it.
    place text,
    file_id uuid REFERENCES dataset_files,
    attempt_id uuid REFERENCES attempts,
    UNIQUE (withdrawal_id, kind, name),
    CONSTRAINT kind_says_what CHECK ((kind = 'object') = (file_id IS NOT NULL)
        AND (kind = 'work_folder') = (attempt_id IS NOT NULL AND place IS NOT NULL))
);
CREATE INDEX purge_items_by_file ON purge_items (file_id);
CREATE INDEX purge_items_by_attempt ON purge_items (attempt_id);
-- What was deleted of an item; one row an object version or delete marker.
CREATE TABLE purge_deletions (
    item_id uuid NOT NULL REFERENCES purge_items,
    object_version text NOT NULL,
    is_delete_marker boolean NOT NULL,
    size_bytes bigint CHECK (size_bytes >= 0),
    -- Of the content, where it was verified when it came in.
    sha256 text CHECK (sha256 ~ '^[0-9a-f]{64}$'),
    deleted_at timestamptz NOT NULL,
    PRIMARY KEY (item_id, object_version)
);
-- That nothing of an item was found when looked for afterwards.
CREATE TABLE purge_proofs (
    item_id uuid PRIMARY KEY REFERENCES purge_items,
    verified_absent_at timestamptz NOT NULL
);
CREATE TABLE purge_failures (
    item_id uuid NOT NULL REFERENCES purge_items,
    failed_at timestamptz NOT NULL,
    problem text NOT NULL CHECK (char_length(problem) BETWEEN 1 AND 500),
    PRIMARY KEY (item_id, failed_at)
);

DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['withdrawal_versions', 'withdrawal_jobs', 'withdrawal_models', 'withdrawal_keys',
        'model_decisions', 'withdrawal_duties', 'withdrawal_duty_ends', 'purge_items', 'purge_deletions',
        'purge_proofs', 'purge_failures'] LOOP
        EXECUTE format('CREATE TRIGGER %I BEFORE UPDATE OR DELETE OR TRUNCATE ON %I
            FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()', name || '_append_only', name);
    END LOOP;
END $$;
