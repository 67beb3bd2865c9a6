-- Requests and complaints from outside: of people whose data it is, and of those who hold rights.
CREATE SEQUENCE complaint_numbers;

CREATE TABLE complaints (
    id uuid PRIMARY KEY,
    -- The number that people use: year and a count.
    number text NOT NULL UNIQUE CHECK (number ~ '^[0-9]{4}-[0-9]{5,}$'),
    -- The platform, which handles it.
    institution_id uuid NOT NULL REFERENCES institutions,
    kind text NOT NULL CHECK (kind IN ('access', 'rectification', 'erasure', 'objection', 'copyright')),
    capacity text NOT NULL CHECK (capacity IN ('self', 'representative', 'right_holder')),
    language text NOT NULL CHECK (language IN ('nl', 'en')),
    -- SHA-256 of the follow-up code: whoever reads this table cannot follow the case with it.
    code_sha256 bytea NOT NULL UNIQUE CHECK (octet_length(code_sha256) = 32),
    -- The form can be sent once.
    form_nonce bytea UNIQUE CHECK (octet_length(form_nonce) = 16),
    -- Hash of what was sent, as in the receipt, and the signed receipt.
    request_sha256 text NOT NULL CHECK (request_sha256 ~ '^[0-9a-f]{64}$'),
    receipt text NOT NULL,
    received_at timestamptz NOT NULL,
    -- Everything that tells who it is or what they said; gone a while after the decision.
    name text CHECK (char_length(name) BETWEEN 1 AND 200),
    email text CHECK (char_length(email) BETWEEN 3 AND 254),
    request text CHECK (char_length(request) BETWEEN 1 AND 5000),
    works text CHECK (char_length(works) <= 5000),
    terms text[] CHECK (cardinality(terms) <= 50),
    -- What its handler searches for; begins with the terms and the ways in which the name is written.
    search_terms text[] CHECK (cardinality(search_terms) <= 50),
    salt bytea CHECK (octet_length(salt) = 16),
    evidence_name text CHECK (char_length(evidence_name) BETWEEN 1 AND 200),
    evidence_size_bytes bigint CHECK (evidence_size_bytes > 0),
    evidence_sha256 text CHECK (evidence_sha256 ~ '^[0-9a-f]{64}$'),
    evidence_key text UNIQUE,
    evidence_version text,
    personal_details_deleted_at timestamptz,
    status text NOT NULL CHECK (status IN ('received', 'handling', 'prepared', 'decided')),
    due_at timestamptz NOT NULL,
    extended_by uuid REFERENCES users,
    extended_at timestamptz,
    extension_reason text CHECK (char_length(extension_reason) BETWEEN 1 AND 2000),
    owner_id uuid REFERENCES users,
    -- How it was found out who asks. Never a copy of a document.
    identity_method text CHECK (identity_method IN ('known_email', 'called_back', 'shown', 'electronic', 'authority',
        'not_established')),
    identity_note text CHECK (char_length(identity_note) <= 500),
    identity_by uuid REFERENCES users,
    identity_at timestamptz,
    outcome text CHECK (outcome IN ('granted', 'partly', 'refused')),
    reason text CHECK (char_length(reason) BETWEEN 1 AND 4000),
    prepared_by uuid REFERENCES users,
    prepared_at timestamptz,
    decided_by uuid REFERENCES users,
    decided_at timestamptz,
    CONSTRAINT due_after_receipt CHECK (due_at > received_at),
    CONSTRAINT extended_says_why CHECK ((extended_at IS NULL) = (extended_by IS NULL)
        AND (extended_at IS NOT NULL OR extension_reason IS NULL)),
    CONSTRAINT evidence_is_whole CHECK ((evidence_key IS NULL) = (evidence_version IS NULL)
        AND (evidence_key IS NULL) = (evidence_sha256 IS NULL) AND (evidence_key IS NULL) = (evidence_name IS NULL)
        AND (evidence_key IS NULL) = (evidence_size_bytes IS NULL)),
    CONSTRAINT identity_says_who CHECK ((identity_method IS NULL) = (identity_by IS NULL)
        AND (identity_method IS NULL) = (identity_at IS NULL)),
    CONSTRAINT handled_has_owner CHECK (status = 'received' OR owner_id IS NOT NULL),
    CONSTRAINT prepared_says_who CHECK ((status IN ('prepared', 'decided')) = (outcome IS NOT NULL)
        AND (outcome IS NULL) = (prepared_by IS NULL) AND (outcome IS NULL) = (prepared_at IS NULL)),
    CONSTRAINT decided_says_who CHECK ((status = 'decided') = (decided_by IS NOT NULL)
        AND (status = 'decided') = (decided_at IS NOT NULL)),
    -- What is not given in full is decided by two people.
    CONSTRAINT refused_by_another CHECK (decided_by IS NULL OR outcome = 'granted' OR decided_by <> prepared_by),
    -- Nobody is told what is kept of somebody whom we do not know.
    CONSTRAINT identity_before_giving CHECK (status <> 'decided' OR kind = 'copyright' OR outcome = 'refused'
        OR (identity_method IS NOT NULL AND identity_method <> 'not_established')),
    CONSTRAINT details_are_there_or_deleted CHECK (CASE WHEN personal_details_deleted_at IS NULL
        THEN name IS NOT NULL AND email IS NOT NULL AND request IS NOT NULL AND works IS NOT NULL AND terms IS NOT NULL
            AND search_terms IS NOT NULL AND salt IS NOT NULL AND (outcome IS NULL) = (reason IS NULL)
            AND (extended_at IS NULL) = (extension_reason IS NULL)
        ELSE name IS NULL AND email IS NULL AND request IS NULL AND works IS NULL AND terms IS NULL AND salt IS NULL
            AND search_terms IS NULL
            AND identity_note IS NULL AND reason IS NULL AND extension_reason IS NULL AND evidence_key IS NULL END),
    CONSTRAINT deleted_after_the_end CHECK (personal_details_deleted_at IS NULL OR status = 'decided')
);
CREATE INDEX complaints_open ON complaints (due_at) WHERE status <> 'decided';
CREATE INDEX complaints_to_forget ON complaints (decided_at)
    WHERE status = 'decided' AND personal_details_deleted_at IS NULL;
CREATE INDEX complaints_by_institution ON complaints (institution_id);
CREATE INDEX complaints_by_owner ON complaints (owner_id);
CREATE INDEX complaints_by_extender ON complaints (extended_by);
CREATE INDEX complaints_by_identity_checker ON complaints (identity_by);
CREATE INDEX complaints_by_preparer ON complaints (prepared_by);
CREATE INDEX complaints_by_decider ON complaints (decided_by);

-- What was received, and what was decided, never changes; only personal details go.
CREATE FUNCTION refuse_other_complaint() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        RAISE EXCEPTION 'complaints are kept';
    END IF;
    IF (NEW.id, NEW.number, NEW.institution_id, NEW.kind, NEW.capacity, NEW.language, NEW.code_sha256,
            NEW.request_sha256, NEW.receipt, NEW.received_at)
        IS DISTINCT FROM (OLD.id, OLD.number, OLD.institution_id, OLD.kind, OLD.capacity, OLD.language,
            OLD.code_sha256, OLD.request_sha256, OLD.receipt, OLD.received_at) THEN
        RAISE EXCEPTION 'what was received never changes';
    END IF;
    IF OLD.status = 'decided' AND (NEW.status, NEW.outcome, NEW.prepared_by, NEW.prepared_at, NEW.decided_by,
            NEW.decided_at, NEW.due_at, NEW.identity_method)
        IS DISTINCT FROM (OLD.status, OLD.outcome, OLD.prepared_by, OLD.prepared_at, OLD.decided_by,
            OLD.decided_at, OLD.due_at, OLD.identity_method) THEN
        RAISE EXCEPTION 'what was decided never changes';
    END IF;
    IF OLD.personal_details_deleted_at IS NOT NULL THEN
        RAISE EXCEPTION 'personal details were deleted';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER complaints_keep BEFORE UPDATE OR DELETE ON complaints
    FOR EACH ROW EXECUTE FUNCTION refuse_other_complaint();

-- Documents that the handler found to be about the request.
CREATE TABLE complaint_documents (
    complaint_id uuid NOT NULL REFERENCES complaints,
    dataset_id uuid NOT NULL REFERENCES datasets,
    sha256 bytea NOT NULL CHECK (octet_length(sha256) = 32),
    marked_by uuid NOT NULL REFERENCES users,
    marked_at timestamptz NOT NULL,
    PRIMARY KEY (complaint_id, dataset_id, sha256)
);
CREATE INDEX complaint_documents_by_dataset ON complaint_documents (dataset_id);
CREATE INDEX complaint_documents_by_marker ON complaint_documents (marked_by);

-- What an institution says of a case that touches its data.
CREATE TABLE complaint_remarks (
    id uuid PRIMARY KEY,
    complaint_id uuid NOT NULL REFERENCES complaints,
    institution_id uuid NOT NULL REFERENCES institutions,
    -- Gone with the personal details of the case.
    text text CHECK (char_length(text) BETWEEN 1 AND 2000),
    made_by uuid NOT NULL REFERENCES users,
    made_at timestamptz NOT NULL
);
CREATE INDEX complaint_remarks_by_complaint ON complaint_remarks (complaint_id);
CREATE INDEX complaint_remarks_by_institution ON complaint_remarks (institution_id);
CREATE INDEX complaint_remarks_by_maker ON complaint_remarks (made_by);

-- What was done on a decision.
CREATE TABLE complaint_exclusions (
    complaint_id uuid NOT NULL REFERENCES complaints,
    exclusion_id uuid PRIMARY KEY REFERENCES exclusions
);
CREATE INDEX complaint_exclusions_by_complaint ON complaint_exclusions (complaint_id);
CREATE TRIGGER complaint_exclusions_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON complaint_exclusions
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- What the person was written, as it was written.
CREATE TABLE complaint_letters (
    id uuid PRIMARY KEY,
    complaint_id uuid NOT NULL REFERENCES complaints,
    kind text NOT NULL CHECK (kind IN ('extension', 'decision')),
    -- Paragraphs parted by blank lines; gone with the personal details of the case.
    body text CHECK (char_length(body) BETWEEN 1 AND 40000),
    body_sha256 text NOT NULL CHECK (body_sha256 ~ '^[0-9a-f]{64}$'),
    written_at timestamptz NOT NULL,
    -- When the mail server took it, or refused it for good.
    mailed_at timestamptz,
    mail_refusal text CHECK (char_length(mail_refusal) <= 500),
    CONSTRAINT refused_says_when CHECK (mail_refusal IS NULL OR mailed_at IS NOT NULL),
    UNIQUE (complaint_id, kind)
);

-- How many cases came from one address on one day (a keyed hash that changes every day).
CREATE TABLE complaint_arrivals (
    day date NOT NULL,
    address_hmac bytea NOT NULL CHECK (octet_length(address_hmac) = 32),
    count integer NOT NULL CHECK (count > 0),
    PRIMARY KEY (day, address_hmac)
);
