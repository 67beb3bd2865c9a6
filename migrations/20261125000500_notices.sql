-- What people are told, by page and by mail, and whether they said that they read it.
CREATE TABLE notices (
    id uuid PRIMARY KEY,
    -- Names the texts: notice-{kind}-title and notice-{kind}-text.
    kind text NOT NULL CHECK (kind ~ '^[a-z][a-z-]{1,60}$'),
    -- Told once: a second notice with the same words here is the first one.
    once text UNIQUE CHECK (char_length(once) <= 200),
    -- To everybody who holds a role in an institution, to one person there, or to an address outside.
    to_institution_id uuid REFERENCES institutions,
    to_role text CHECK (to_role IN ('contributor', 'manager', 'privacy_officer', 'researcher', 'developer',
        'steward', 'legal_reviewer', 'operator', 'admin', 'auditor')),
    to_user_id uuid REFERENCES users,
    to_address text CHECK (char_length(to_address) BETWEEN 3 AND 254),
    -- By name: {"text": …} or {"day": …}
    named_values jsonb NOT NULL,
    -- A path of the pages without the language.
    link text NOT NULL CHECK (link LIKE '/%' AND link NOT LIKE '//%'),
    subject_kind text NOT NULL,
    subject_id uuid NOT NULL,
    acknowledge_by timestamptz,
    created_at timestamptz NOT NULL,
    CONSTRAINT one_recipient CHECK (
        (to_role IS NOT NULL AND to_institution_id IS NOT NULL AND to_user_id IS NULL AND to_address IS NULL)
        OR (to_user_id IS NOT NULL AND to_institution_id IS NOT NULL AND to_role IS NULL AND to_address IS NULL)
        OR (to_address IS NOT NULL AND to_user_id IS NULL AND to_role IS NULL AND to_institution_id IS NULL))
);
CREATE INDEX notices_by_institution ON notices (to_institution_id, id);
CREATE INDEX notices_by_user ON notices (to_user_id);
CREATE INDEX notices_by_subject ON notices (subject_id, id);
CREATE INDEX notices_due ON notices (acknowledge_by) WHERE acknowledge_by IS NOT NULL;
CREATE TRIGGER notices_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON notices
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE TABLE notice_acknowledgements (
    notice_id uuid PRIMARY KEY REFERENCES notices,
    -- none: by the link in the mail to an address outside
    acknowledged_by uuid REFERENCES users,
    acknowledged_at timestamptz NOT NULL
);
CREATE INDEX notice_acknowledgements_by_user ON notice_acknowledgements (acknowledged_by);
CREATE TRIGGER notice_acknowledgements_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON notice_acknowledgements
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE TABLE notice_escalations (
    notice_id uuid PRIMARY KEY REFERENCES notices,
    escalated_at timestamptz NOT NULL
);
CREATE TRIGGER notice_escalations_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON notice_escalations
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- One row a notice and address: handed to the mail server, or refused by it for good.
CREATE TABLE notice_mails (
    notice_id uuid NOT NULL REFERENCES notices,
    address text NOT NULL,
    message_id text NOT NULL,
    refusal text CHECK (char_length(refusal) <= 500),
    sent_at timestamptz NOT NULL,
    PRIMARY KEY (notice_id, address)
);
CREATE TRIGGER notice_mails_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON notice_mails
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
