-- Where a version stood and since when, one row a change: what "as at" is read from. Written by the database itself,
-- so that no path around it is possible.
CREATE TABLE dataset_status_facts (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    dataset_version_id uuid NOT NULL REFERENCES dataset_versions,
    status text NOT NULL CHECK (status IN ('draft', 'submitted', 'changes_requested', 'rejected', 'approved', 'withdrawn')),
    since timestamptz NOT NULL
);
CREATE INDEX dataset_status_facts_by_version ON dataset_status_facts (dataset_version_id, since);

-- The moment is the one that the change itself was stamped with.
CREATE FUNCTION status_since(version dataset_versions) RETURNS timestamptz LANGUAGE sql STABLE AS $$
    SELECT CASE version.status
        WHEN 'draft' THEN version.created_at
        WHEN 'submitted' THEN version.submitted_at
        WHEN 'withdrawn' THEN coalesce(
            (SELECT max(withdrawn_at) FROM withdrawals WHERE dataset_id = version.dataset_id), transaction_timestamp())
        ELSE coalesce(version.decided_at, transaction_timestamp())
    END
$$;

INSERT INTO dataset_status_facts (dataset_version_id, status, since)
SELECT id, 'draft', created_at FROM dataset_versions ORDER BY id;
INSERT INTO dataset_status_facts (dataset_version_id, status, since)
SELECT id, 'submitted', submitted_at FROM dataset_versions
WHERE submitted_at IS NOT NULL AND status <> 'submitted' ORDER BY id;
INSERT INTO dataset_status_facts (dataset_version_id, status, since)
SELECT v.id, v.status, status_since(v) FROM dataset_versions v WHERE v.status <> 'draft' ORDER BY v.id;

CREATE FUNCTION note_status() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO dataset_status_facts (dataset_version_id, status, since) VALUES (NEW.id, NEW.status, status_since(NEW));
    RETURN NULL;
END $$;
CREATE TRIGGER dataset_versions_note_first_status AFTER INSERT ON dataset_versions
    FOR EACH ROW EXECUTE FUNCTION note_status();
CREATE TRIGGER dataset_versions_note_status AFTER UPDATE OF status ON dataset_versions
    FOR EACH ROW WHEN (OLD.status IS DISTINCT FROM NEW.status) EXECUTE FUNCTION note_status();
CREATE TRIGGER dataset_status_facts_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON dataset_status_facts
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
