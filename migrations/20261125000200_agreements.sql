-- From contract to code: an agreement, its document, and each term of a permission with the place it was read from.
ALTER TABLE datasets ADD CONSTRAINT datasets_of_institution UNIQUE (id, institution_id);

CREATE TABLE agreements (
    id uuid PRIMARY KEY,
    institution_id uuid NOT NULL REFERENCES institutions,
    kind text NOT NULL CHECK (kind IN ('contributor', 'data_processing', 'licence', 'statutory', 'other')),
    title text NOT NULL CHECK (char_length(title) BETWEEN 1 AND 200),
    -- Which questions it answers; each gets a permission of its own for each dataset.
    layers text[] NOT NULL CHECK (cardinality(layers) BETWEEN 1 AND 3
        AND layers <@ ARRAY['copyright', 'personal_data', 'confidentiality']),
    parties text[] NOT NULL CHECK (cardinality(parties) BETWEEN 1 AND 20),
    signatory text NOT NULL CHECK (char_length(signatory) <= 200),
    -- What proves that the signatory may sign: an extract of the register, a mandate.
    authority text NOT NULL CHECK (char_length(authority) <= 500),
    effective_on date NOT NULL,
    expires_on date,
    -- Name of the template in src/agreements/templates, and the text of law or licence it points to.
    template text CHECK (char_length(template) BETWEEN 1 AND 60),
    source_url text CHECK (char_length(source_url) BETWEEN 1 AND 500),
    status text NOT NULL CHECK (status IN ('draft', 'in_review', 'returned', 'in_force', 'rejected', 'withdrawn')),
    submitted_by uuid REFERENCES users,
    submitted_at timestamptz,
    -- The last step: returned, rejected, withdrawn or put into force.
    decided_by uuid REFERENCES users,
    decided_at timestamptz,
    created_by uuid NOT NULL REFERENCES users,
    created_at timestamptz NOT NULL,
    UNIQUE (id, institution_id),
    CONSTRAINT ends_after_it_begins CHECK (expires_on >= effective_on),
    CONSTRAINT submitted_says_who CHECK (status IN ('draft', 'withdrawn')
        OR (submitted_by IS NOT NULL AND submitted_at IS NOT NULL)),
    CONSTRAINT decided_says_who CHECK (status NOT IN ('returned', 'in_force', 'rejected', 'withdrawn')
        OR (decided_by IS NOT NULL AND decided_at IS NOT NULL)),
    CONSTRAINT reviewed_by_another CHECK (status NOT IN ('returned', 'rejected') OR decided_by <> submitted_by)
);
CREATE INDEX agreements_by_institution ON agreements (institution_id, id);
CREATE INDEX agreements_by_submitter ON agreements (submitted_by);
CREATE INDEX agreements_by_decider ON agreements (decided_by);
CREATE INDEX agreements_by_creator ON agreements (created_by);
CREATE INDEX agreements_waiting ON agreements (submitted_at) WHERE status = 'in_review';

CREATE TABLE agreement_datasets (
    agreement_id uuid NOT NULL,
    dataset_id uuid NOT NULL,
    institution_id uuid NOT NULL,
    PRIMARY KEY (agreement_id, dataset_id),
    -- An agreement covers only data of the institution that signed it.
    FOREIGN KEY (agreement_id, institution_id) REFERENCES agreements (id, institution_id),
    FOREIGN KEY (dataset_id, institution_id) REFERENCES datasets (id, institution_id)
);
CREATE INDEX agreement_datasets_by_dataset ON agreement_datasets (dataset_id, institution_id);
CREATE INDEX agreement_datasets_by_agreement ON agreement_datasets (agreement_id, institution_id);

-- The signed document; a later one takes the place of an earlier one, which stays.
CREATE TABLE agreement_documents (
    id uuid PRIMARY KEY,
    agreement_id uuid NOT NULL REFERENCES agreements,
    number integer NOT NULL CHECK (number >= 1),
    file_name text NOT NULL CHECK (char_length(file_name) BETWEEN 1 AND 200),
    size_bytes bigint NOT NULL CHECK (size_bytes BETWEEN 1 AND 100000000),
    sha256 text NOT NULL CHECK (sha256 ~ '^[0-9a-f]{64}$'),
    object_key text NOT NULL UNIQUE,
    object_version text NOT NULL,
    state text NOT NULL CHECK (state IN ('reading', 'ready', 'refused')),
    -- Why it was refused, a word of agreements::Problem.
    problem text CHECK (problem IN ('broken', 'encrypted', 'too_many_pages', 'too_much_text', 'too_heavy', 'altered')),
    pages integer CHECK (pages BETWEEN 1 AND 1000),
    created_by uuid NOT NULL REFERENCES users,
    created_at timestamptz NOT NULL,
    read_at timestamptz,
    UNIQUE (agreement_id, number),
    CONSTRAINT ready_is_known CHECK ((state = 'ready') = (pages IS NOT NULL)),
    CONSTRAINT refused_says_why CHECK ((state = 'refused') = (problem IS NOT NULL)),
    CONSTRAINT read_says_when CHECK ((state = 'reading') = (read_at IS NULL))
);
CREATE INDEX agreement_documents_by_creator ON agreement_documents (created_by);
CREATE UNIQUE INDEX agreement_documents_one_reading ON agreement_documents (agreement_id) WHERE state = 'reading';

-- A document is what was signed: only that it was read may still be noted.
CREATE FUNCTION refuse_altered_document() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' OR OLD.state <> 'reading'
        OR (NEW.id, NEW.agreement_id, NEW.number, NEW.size_bytes, NEW.sha256, NEW.object_key, NEW.object_version)
            IS DISTINCT FROM
           (OLD.id, OLD.agreement_id, OLD.number, OLD.size_bytes, OLD.sha256, OLD.object_key, OLD.object_version)
    THEN
        RAISE EXCEPTION 'the document of an agreement does not change';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER agreement_documents_stay BEFORE UPDATE OR DELETE ON agreement_documents
    FOR EACH ROW EXECUTE FUNCTION refuse_altered_document();

-- The text as it was read, a row a page; empty where the page has none (a scan). Whitespace is ' ' and line feeds.
CREATE TABLE agreement_pages (
    document_id uuid NOT NULL REFERENCES agreement_documents,
    page integer NOT NULL CHECK (page >= 1),
    text text NOT NULL,
    PRIMARY KEY (document_id, page)
);
CREATE TRIGGER agreement_pages_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON agreement_pages
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- A term of a permission as it was coded. Append-only: a change is a line of a higher version, and a confirmation
-- belongs to one version, so that changing a line clears its confirmations.
CREATE TABLE agreement_lines (
    id uuid PRIMARY KEY,
    agreement_id uuid NOT NULL REFERENCES agreements,
    layer text NOT NULL CHECK (layer IN ('copyright', 'personal_data', 'confidentiality')),
    term text NOT NULL CHECK (term IN ('purposes', 'prohibited', 'recipients', 'commercial_use', 'territories',
        'processing_locations', 'model_families', 'valid_from', 'valid_until', 'attribution', 'report_use',
        'compensate', 'delete_within_days', 'on_withdrawal')),
    version integer NOT NULL CHECK (version >= 1),
    state text NOT NULL CHECK (state IN ('coded', 'needs_human')),
    -- The coded value as JSON; its form follows from the term.
    value jsonb,
    -- Where it was read: a passage of a page; a page that has no text; the text of law or licence that the template
    -- names; or nowhere, because the agreement is silent and the cautious value counts.
    basis text CHECK (basis IN ('passage', 'page', 'template', 'silent')),
    document_id uuid REFERENCES agreement_documents,
    page integer,
    passage text CHECK (char_length(passage) BETWEEN 3 AND 2000),
    -- For needs_human: why no program may approve it.
    need text CHECK (need IN ('not_coded', 'no_place', 'cannot_code')),
    -- What could not be coded, or the template's reason.
    reason text NOT NULL DEFAULT '' CHECK (char_length(reason) <= 2000),
    coded_by uuid NOT NULL REFERENCES users,
    coded_at timestamptz NOT NULL,
    UNIQUE (agreement_id, layer, term, version),
    UNIQUE (id, agreement_id),
    FOREIGN KEY (document_id, page) REFERENCES agreement_pages (document_id, page),
    CONSTRAINT coded_says_what_and_where CHECK (state <> 'coded' OR (value IS NOT NULL AND basis IS NOT NULL
        AND need IS NULL)),
    CONSTRAINT a_person_is_told_why CHECK (state <> 'needs_human' OR (need IS NOT NULL AND basis IS NULL)),
    CONSTRAINT cannot_code_says_what CHECK (need IS DISTINCT FROM 'cannot_code' OR reason <> ''),
    CONSTRAINT template_says_why CHECK (basis IS DISTINCT FROM 'template' OR reason <> ''),
    CONSTRAINT passage_has_its_page CHECK ((passage IS NOT NULL) = (basis IS NOT DISTINCT FROM 'passage')),
    CONSTRAINT page_has_its_document CHECK ((page IS NULL) = (document_id IS NULL)
        AND (page IS NOT NULL) = (basis IS NOT NULL AND basis IN ('passage', 'page')))
);
CREATE INDEX agreement_lines_by_page ON agreement_lines (document_id, page);
CREATE INDEX agreement_lines_by_coder ON agreement_lines (coded_by);
CREATE TRIGGER agreement_lines_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON agreement_lines
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- What is quoted stands on that page of that agreement's document, and only a page without text goes unquoted.
CREATE FUNCTION refuse_misquoted_line() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    found text;
    owner uuid;
BEGIN
    IF (SELECT status FROM agreements WHERE id = NEW.agreement_id) NOT IN ('draft', 'in_review', 'returned') THEN
        RAISE EXCEPTION 'the agreement is closed';
    END IF;
    IF NEW.page IS NULL THEN
        RETURN NEW;
    END IF;
    SELECT p.text, d.agreement_id INTO found, owner FROM agreement_pages p
        JOIN agreement_documents d ON d.id = p.document_id
        WHERE p.document_id = NEW.document_id AND p.page = NEW.page;
    IF owner IS DISTINCT FROM NEW.agreement_id THEN
        RAISE EXCEPTION 'the page is of another agreement';
    END IF;
    IF NEW.basis = 'passage' AND position(NEW.passage IN regexp_replace(found, '[ \n]+', ' ', 'g')) = 0 THEN
        RAISE EXCEPTION 'the passage does not stand on page %', NEW.page;
    END IF;
    IF NEW.basis = 'page' AND found <> '' THEN
        RAISE EXCEPTION 'page % has text, so the passage is to be quoted', NEW.page;
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER agreement_lines_quote BEFORE INSERT ON agreement_lines
    FOR EACH ROW EXECUTE FUNCTION refuse_misquoted_line();

CREATE TABLE agreement_confirmations (
    line_id uuid NOT NULL,
    agreement_id uuid NOT NULL,
    party text NOT NULL CHECK (party IN ('institution', 'platform')),
    confirmed_by uuid NOT NULL REFERENCES users,
    confirmed_at timestamptz NOT NULL,
    PRIMARY KEY (line_id, party),
    -- Two confirmations of one line are two people.
    UNIQUE (line_id, confirmed_by),
    FOREIGN KEY (line_id, agreement_id) REFERENCES agreement_lines (id, agreement_id)
);
CREATE INDEX agreement_confirmations_by_line ON agreement_confirmations (line_id, agreement_id);
CREATE INDEX agreement_confirmations_by_person ON agreement_confirmations (agreement_id, confirmed_by);
CREATE INDEX agreement_confirmations_by_user ON agreement_confirmations (confirmed_by);
CREATE TRIGGER agreement_confirmations_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON agreement_confirmations
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- Only a coded line that still stands is confirmed, and nobody confirms for both parties of one agreement.
CREATE FUNCTION refuse_hollow_confirmation() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    line agreement_lines;
BEGIN
    SELECT * INTO line FROM agreement_lines WHERE id = NEW.line_id;
    IF line.state <> 'coded' THEN
        RAISE EXCEPTION 'a line that needs a human cannot be confirmed';
    END IF;
    IF EXISTS (SELECT 1 FROM agreement_lines l WHERE l.agreement_id = line.agreement_id AND l.layer = line.layer
               AND l.term = line.term AND l.version > line.version) THEN
        RAISE EXCEPTION 'the line was changed';
    END IF;
    IF EXISTS (SELECT 1 FROM agreement_confirmations c WHERE c.agreement_id = NEW.agreement_id
               AND c.confirmed_by = NEW.confirmed_by AND c.party <> NEW.party) THEN
        RAISE EXCEPTION 'nobody confirms for both parties';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER agreement_confirmations_hold BEFORE INSERT ON agreement_confirmations
    FOR EACH ROW EXECUTE FUNCTION refuse_hollow_confirmation();

-- What was said and decided about an agreement.
CREATE TABLE agreement_remarks (
    id uuid PRIMARY KEY,
    agreement_id uuid NOT NULL REFERENCES agreements,
    verb text NOT NULL CHECK (verb IN ('submit', 'return', 'reject', 'withdraw', 'comment', 'put_in_force')),
    text text NOT NULL DEFAULT '' CHECK (char_length(text) <= 2000),
    said_by uuid NOT NULL REFERENCES users,
    said_at timestamptz NOT NULL,
    CONSTRAINT says_why CHECK (verb IN ('submit', 'put_in_force') OR text <> '')
);
CREATE INDEX agreement_remarks_by_agreement ON agreement_remarks (agreement_id, said_at);
CREATE INDEX agreement_remarks_by_user ON agreement_remarks (said_by);
CREATE TRIGGER agreement_remarks_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON agreement_remarks
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- Which permissions an agreement gave.
CREATE TABLE agreement_permissions (
    permission_id uuid PRIMARY KEY REFERENCES permissions,
    agreement_id uuid NOT NULL,
    dataset_id uuid NOT NULL,
    layer text NOT NULL,
    UNIQUE (agreement_id, dataset_id, layer),
    FOREIGN KEY (agreement_id, dataset_id) REFERENCES agreement_datasets (agreement_id, dataset_id)
);
CREATE TRIGGER agreement_permissions_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON agreement_permissions
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- An agreement that is over stays as it is; and it comes into force only where every term of every layer stands
-- coded and confirmed by both parties, and the document was read.
CREATE FUNCTION refuse_unconfirmed_agreement() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    good bigint;
    present agreement_documents;
BEGIN
    IF OLD.status IN ('in_force', 'rejected', 'withdrawn') THEN
        RAISE EXCEPTION 'the agreement is closed';
    END IF;
    IF NEW.status <> 'in_force' THEN
        RETURN NEW;
    END IF;
    IF OLD.status <> 'in_review' THEN
        RAISE EXCEPTION 'only an agreement in review is put into force';
    END IF;
    SELECT * INTO present FROM agreement_documents
        WHERE agreement_id = NEW.id AND state <> 'refused' ORDER BY number DESC LIMIT 1;
    IF present.state IS DISTINCT FROM 'ready' AND (present.id IS NOT NULL OR NEW.source_url IS NULL) THEN
        RAISE EXCEPTION 'the agreement has no document that was read';
    END IF;
    SELECT count(*) INTO good FROM (
        SELECT DISTINCT ON (layer, term) id, layer, state, document_id FROM agreement_lines WHERE agreement_id = NEW.id
        ORDER BY layer, term, version DESC) line
    WHERE line.state = 'coded' AND line.layer = ANY (NEW.layers)
        AND (line.document_id IS NULL OR line.document_id = present.id)
        AND (SELECT count(DISTINCT c.confirmed_by) FROM agreement_confirmations c WHERE c.line_id = line.id) = 2;
    IF good <> 14 * cardinality(NEW.layers) THEN
        RAISE EXCEPTION 'not every line is coded and confirmed by both parties';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER agreements_confirmed BEFORE UPDATE ON agreements
    FOR EACH ROW EXECUTE FUNCTION refuse_unconfirmed_agreement();
