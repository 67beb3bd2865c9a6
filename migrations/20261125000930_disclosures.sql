-- Documents about a model version: prepared by an operator, decided on by a legal reviewer, never changed.
CREATE TABLE disclosures (
    id uuid PRIMARY KEY,
    model_id uuid NOT NULL REFERENCES models,
    number integer NOT NULL CHECK (number >= 1),
    prepared_by uuid NOT NULL REFERENCES users,
    -- Also the instant as at which every fact was read.
    prepared_at timestamptz NOT NULL,
    UNIQUE (model_id, number),
    -- For the decision, which must be another's.
    UNIQUE (id, prepared_by)
);
CREATE INDEX disclosures_by_user ON disclosures (prepared_by);
CREATE TRIGGER disclosures_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON disclosures
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE TABLE disclosure_documents (
    disclosure_id uuid NOT NULL REFERENCES disclosures,
    kind text NOT NULL CHECK (kind IN ('training_summary', 'annex_xi', 'annex_xii', 'model_documentation',
        'copyright_policy', 'modification')),
    -- The document as it was frozen; the hash is over these bytes.
    canonical text NOT NULL,
    sha256 text NOT NULL,
    PRIMARY KEY (disclosure_id, kind),
    CONSTRAINT hash_is_its_own CHECK (sha256 = encode(sha256(convert_to(canonical, 'UTF8')), 'hex')),
    -- Within a JSON text the quotes would be escaped, so this is the mark of a missing fact and nothing else.
    CONSTRAINT nothing_is_missing CHECK (position('"is":"missing"' IN canonical) = 0)
);
CREATE TRIGGER disclosure_documents_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON disclosure_documents
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE TABLE disclosure_decisions (
    disclosure_id uuid PRIMARY KEY,
    decision text NOT NULL CHECK (decision IN ('published', 'returned')),
    reason text NOT NULL DEFAULT '' CHECK (char_length(reason) <= 2000),
    prepared_by uuid NOT NULL,
    decided_by uuid NOT NULL REFERENCES users,
    decided_at timestamptz NOT NULL,
    FOREIGN KEY (disclosure_id, prepared_by) REFERENCES disclosures (id, prepared_by),
    CONSTRAINT decided_by_another CHECK (decided_by <> prepared_by),
    CONSTRAINT return_says_why CHECK (decision = 'published' OR reason <> '')
);
CREATE INDEX disclosure_decisions_by_user ON disclosure_decisions (decided_by);
CREATE TRIGGER disclosure_decisions_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON disclosure_decisions
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- Published documents that must be made anew, and why.
CREATE TABLE disclosure_dues (
    disclosure_id uuid NOT NULL REFERENCES disclosures,
    reason text NOT NULL CHECK (reason IN ('withdrawn', 'changed', 'six_months')),
    noticed_at timestamptz NOT NULL,
    PRIMARY KEY (disclosure_id, reason)
);
CREATE TRIGGER disclosure_dues_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON disclosure_dues
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
