-- The privacy assessment of a dataset version with personal data: filled in by its institution, signed by the
-- institution's privacy officer. Each text is kept; a signature is bound to the hash of the text that was read.
CREATE TABLE privacy_assessments (
    id uuid PRIMARY KEY,
    dataset_version_id uuid NOT NULL REFERENCES dataset_versions,
    number integer NOT NULL CHECK (number >= 1),
    -- Canonical JSON (privacy::Assessment) and the hash of that text.
    text text NOT NULL CHECK (octet_length(text) <= 262144),
    text_sha256 text NOT NULL CHECK (text_sha256 ~ '^[0-9a-f]{64}$'),
    -- Copied out of the text for the rules; `not_acceptable` allows nothing.
    result text NOT NULL CHECK (result IN ('acceptable', 'acceptable_with_measures', 'not_acceptable')),
    filled_by uuid NOT NULL REFERENCES users,
    filled_at timestamptz NOT NULL,
    UNIQUE (dataset_version_id, number),
    -- What a signature refers to.
    UNIQUE (id, text_sha256, filled_by)
);
CREATE INDEX privacy_assessments_by_user ON privacy_assessments (filled_by);
CREATE TRIGGER privacy_assessments_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON privacy_assessments
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE TABLE privacy_signatures (
    id uuid PRIMARY KEY,
    assessment_id uuid NOT NULL UNIQUE,
    text_sha256 text NOT NULL,
    filled_by uuid NOT NULL,
    decision text NOT NULL CHECK (decision IN ('signed', 'returned')),
    reason text NOT NULL DEFAULT '' CHECK (char_length(reason) <= 2000),
    signed_by uuid NOT NULL REFERENCES users,
    signed_at timestamptz NOT NULL,
    FOREIGN KEY (assessment_id, text_sha256, filled_by) REFERENCES privacy_assessments (id, text_sha256, filled_by),
    CONSTRAINT signed_by_another CHECK (signed_by <> filled_by),
    CONSTRAINT return_says_why CHECK (decision = 'signed' OR reason <> '')
);
CREATE INDEX privacy_signatures_by_text ON privacy_signatures (assessment_id, text_sha256, filled_by);
CREATE INDEX privacy_signatures_by_user ON privacy_signatures (signed_by);
CREATE TRIGGER privacy_signatures_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON privacy_signatures
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- No version with personal data is approved without one that is signed and that allows it.
CREATE FUNCTION refuse_unassessed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (SELECT has_personal_data FROM datasets WHERE id = NEW.dataset_id) AND NOT EXISTS (
        SELECT 1 FROM privacy_assessments a
        JOIN privacy_signatures s ON s.assessment_id = a.id AND s.decision = 'signed'
        WHERE a.dataset_version_id = NEW.id AND a.result <> 'not_acceptable'
          AND a.number = (SELECT max(l.number) FROM privacy_assessments l
                          JOIN privacy_signatures ls ON ls.assessment_id = l.id AND ls.decision = 'signed'
                          WHERE l.dataset_version_id = NEW.id)) THEN
        RAISE EXCEPTION 'dataset version % holds personal data and has no signed privacy assessment', NEW.id;
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER dataset_versions_assessed BEFORE UPDATE OF status ON dataset_versions
    FOR EACH ROW WHEN (NEW.status = 'approved' AND OLD.status <> 'approved') EXECUTE FUNCTION refuse_unassessed();
