-- What an agreement says that none of the terms has words for: an audit right, a safeguard, a sub-processor. It keeps
-- the agreement out of force until both parties said what follows from it: nothing for use, or a condition that the
-- permission carries in these words.
CREATE TABLE agreement_clauses (
    id uuid PRIMARY KEY,
    agreement_id uuid NOT NULL REFERENCES agreements,
    document_id uuid NOT NULL,
    page integer NOT NULL,
    -- As it stands there; of a page without text, in the words of who read it.
    passage text NOT NULL CHECK (char_length(passage) BETWEEN 3 AND 2000),
    -- Why no term says it.
    reason text NOT NULL CHECK (char_length(reason) BETWEEN 1 AND 2000),
    noted_by uuid NOT NULL REFERENCES users,
    noted_at timestamptz NOT NULL,
    UNIQUE (id, agreement_id),
    FOREIGN KEY (document_id, page) REFERENCES agreement_pages (document_id, page)
);
CREATE INDEX agreement_clauses_by_agreement ON agreement_clauses (agreement_id, noted_at);
CREATE INDEX agreement_clauses_by_page ON agreement_clauses (document_id, page);
CREATE INDEX agreement_clauses_by_user ON agreement_clauses (noted_by);
CREATE TRIGGER agreement_clauses_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON agreement_clauses
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE FUNCTION refuse_misquoted_clause() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    found text;
    owner uuid;
BEGIN
    IF (SELECT status FROM agreements WHERE id = NEW.agreement_id) NOT IN ('draft', 'in_review', 'returned') THEN
        RAISE EXCEPTION 'the agreement is closed';
    END IF;
    SELECT p.text, d.agreement_id INTO found, owner FROM agreement_pages p
        JOIN agreement_documents d ON d.id = p.document_id
        WHERE p.document_id = NEW.document_id AND p.page = NEW.page;
    IF owner IS DISTINCT FROM NEW.agreement_id THEN
        RAISE EXCEPTION 'the page is of another agreement';
    END IF;
    IF found <> '' AND position(NEW.passage IN regexp_replace(found, '[ \n]+', ' ', 'g')) = 0 THEN
        RAISE EXCEPTION 'the passage does not stand on page %', NEW.page;
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER agreement_clauses_quote BEFORE INSERT ON agreement_clauses
    FOR EACH ROW EXECUTE FUNCTION refuse_misquoted_clause();

CREATE TABLE agreement_clause_words (
    clause_id uuid NOT NULL,
    agreement_id uuid NOT NULL,
    party text NOT NULL CHECK (party IN ('institution', 'platform')),
    -- Of no consequence for use; or a condition that stays in the permission.
    word text NOT NULL CHECK (word IN ('no_consequence', 'condition')),
    said_by uuid NOT NULL REFERENCES users,
    said_at timestamptz NOT NULL,
    PRIMARY KEY (clause_id, party),
    -- Two words about one clause are two people's.
    UNIQUE (clause_id, said_by),
    FOREIGN KEY (clause_id, agreement_id) REFERENCES agreement_clauses (id, agreement_id)
);
CREATE INDEX agreement_clause_words_by_clause ON agreement_clause_words (clause_id, agreement_id);
CREATE INDEX agreement_clause_words_by_person ON agreement_clause_words (agreement_id, said_by);
CREATE INDEX agreement_clause_words_by_user ON agreement_clause_words (said_by);
CREATE TRIGGER agreement_clause_words_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON agreement_clause_words
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- Nobody speaks for both parties of one agreement, of lines and of clauses alike.
CREATE FUNCTION refuse_word_for_both() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (SELECT status FROM agreements WHERE id = NEW.agreement_id) <> 'in_review' THEN
        RAISE EXCEPTION 'the agreement is not in review';
    END IF;
    IF EXISTS (SELECT 1 FROM agreement_clause_words w WHERE w.agreement_id = NEW.agreement_id
               AND w.said_by = NEW.said_by AND w.party <> NEW.party)
        OR EXISTS (SELECT 1 FROM agreement_confirmations c WHERE c.agreement_id = NEW.agreement_id
                   AND c.confirmed_by = NEW.said_by AND c.party <> NEW.party) THEN
        RAISE EXCEPTION 'nobody speaks for both parties';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER agreement_clause_words_hold BEFORE INSERT ON agreement_clause_words
    FOR EACH ROW EXECUTE FUNCTION refuse_word_for_both();

CREATE FUNCTION refuse_open_clauses() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT 1 FROM agreement_clauses c WHERE c.agreement_id = NEW.id
               AND (SELECT count(DISTINCT w.said_by) FROM agreement_clause_words w WHERE w.clause_id = c.id) < 2) THEN
        RAISE EXCEPTION 'not every clause was judged by both parties';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER agreements_clauses_judged BEFORE UPDATE ON agreements
    FOR EACH ROW WHEN (NEW.status = 'in_force' AND OLD.status <> 'in_force')
    EXECUTE FUNCTION refuse_open_clauses();
