-- Permissions: what a right holder allows, in three layers; their history is append-only.
CREATE TABLE permissions (
    id uuid PRIMARY KEY,
    dataset_id uuid NOT NULL REFERENCES datasets,
    -- none: all versions, also future ones
    dataset_version_id uuid REFERENCES dataset_versions,
    institution_id uuid NOT NULL REFERENCES institutions,
    layer text NOT NULL CHECK (layer IN ('copyright', 'personal_data', 'confidentiality')),
    -- The terms as canonical JSON (permissions::Terms) and the hash of that text.
    terms text NOT NULL,
    terms_sha256 text NOT NULL CHECK (terms_sha256 ~ '^[0-9a-f]{64}$'),
    created_by uuid NOT NULL REFERENCES users,
    created_at timestamptz NOT NULL
);
CREATE INDEX permissions_by_dataset ON permissions (dataset_id);
CREATE INDEX permissions_by_version ON permissions (dataset_version_id);
CREATE TRIGGER permissions_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON permissions
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- Event states of ISO/IEC TS 27560:2023; the newest one says how a permission stands.
CREATE TABLE permission_events (
    id uuid PRIMARY KEY,
    permission_id uuid NOT NULL REFERENCES permissions,
    state text NOT NULL CHECK (state IN ('given', 'renewed', 'withdrawn', 'revoked', 'refused')),
    reason text NOT NULL DEFAULT '' CHECK (char_length(reason) <= 2000),
    decided_by uuid NOT NULL REFERENCES users,
    decided_at timestamptz NOT NULL
);
CREATE INDEX permission_events_by_permission ON permission_events (permission_id, decided_at);
CREATE TRIGGER permission_events_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON permission_events
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
