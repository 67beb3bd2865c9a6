-- The use ledger: whose data was read and served, in double entry, closed month by month.

-- The raw events it is made of never change; it could not be recomputed otherwise.
ALTER TABLE tokens_read ADD COLUMN read_at timestamptz;
UPDATE tokens_read t SET read_at = coalesce(a.ended_at, a.created_at) FROM attempts a WHERE a.id = t.attempt_id;
ALTER TABLE tokens_read ALTER COLUMN read_at SET NOT NULL;
CREATE INDEX tokens_read_by_time ON tokens_read (read_at);
CREATE INDEX usage_records_by_end ON usage_records (ended_at);
CREATE TRIGGER tokens_read_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON tokens_read
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER usage_records_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON usage_records
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE TABLE ledger_months (
    id uuid PRIMARY KEY,
    -- The first day of the month, in Europe/Amsterdam.
    month date NOT NULL UNIQUE CHECK (extract(day FROM month) = 1),
    -- Version of the published formula that divides what was served.
    formula integer NOT NULL CHECK (formula >= 1),
    tokens_read bigint NOT NULL CHECK (tokens_read >= 0),
    tokens_served bigint NOT NULL CHECK (tokens_served >= 0),
    -- Over the canonical text of the month's journal.
    journal_sha256 text NOT NULL CHECK (journal_sha256 ~ '^[0-9a-f]{64}$'),
    closed_at timestamptz NOT NULL
);
CREATE TRIGGER ledger_months_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_months
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE TABLE ledger_transactions (
    id uuid PRIMARY KEY,
    month date NOT NULL REFERENCES ledger_months (month) DEFERRABLE INITIALLY DEFERRED,
    kind text NOT NULL CHECK (kind IN ('read', 'served')),
    attempt_id uuid REFERENCES attempts,
    dataset_version_id uuid REFERENCES dataset_versions,
    model_id uuid REFERENCES models,
    CONSTRAINT read_names_attempt CHECK ((kind = 'read') = (attempt_id IS NOT NULL AND dataset_version_id IS NOT NULL)),
    CONSTRAINT served_names_model CHECK ((kind = 'served') = (model_id IS NOT NULL)),
    -- What was read counts once, whatever the month; what a model served, once a month.
    UNIQUE (attempt_id, dataset_version_id),
    UNIQUE (month, model_id)
);
CREATE INDEX ledger_transactions_by_version ON ledger_transactions (dataset_version_id);
CREATE INDEX ledger_transactions_by_model ON ledger_transactions (model_id);

CREATE TABLE ledger_entries (
    id uuid PRIMARY KEY,
    transaction_id uuid NOT NULL REFERENCES ledger_transactions,
    -- job, model: what used (negative). dataset_version: whose data (positive). withheld: of a version whose
    -- permission had been withdrawn. own: served from the base model alone.
    account text NOT NULL CHECK (account IN ('job', 'model', 'dataset_version', 'withheld', 'own')),
    -- The job, model or dataset version.
    account_id uuid NOT NULL,
    tokens bigint NOT NULL CHECK (tokens <> 0),
    CONSTRAINT users_are_negative CHECK ((account IN ('job', 'model')) = (tokens < 0)),
    UNIQUE (transaction_id, account, account_id)
);
CREATE INDEX ledger_entries_by_account ON ledger_entries (account_id);

CREATE FUNCTION refuse_unbalanced() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (SELECT sum(tokens) FROM ledger_entries WHERE transaction_id = NEW.transaction_id) <> 0 THEN
        RAISE EXCEPTION 'ledger transaction % does not balance', NEW.transaction_id;
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER ledger_entries_balance AFTER INSERT ON ledger_entries
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION refuse_unbalanced();

-- A month is written first and closed last; from then on nothing is added to it.
CREATE FUNCTION refuse_closed_month() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    of_month date;
BEGIN
    CASE TG_TABLE_NAME
        WHEN 'ledger_transactions' THEN of_month := NEW.month;
        WHEN 'ledger_entries' THEN
            SELECT month INTO of_month FROM ledger_transactions WHERE id = NEW.transaction_id;
        WHEN 'tokens_read' THEN
            of_month := date_trunc('month', NEW.read_at AT TIME ZONE 'Europe/Amsterdam')::date;
        WHEN 'usage_records' THEN
            of_month := date_trunc('month', NEW.ended_at AT TIME ZONE 'Europe/Amsterdam')::date;
    END CASE;
    IF EXISTS (SELECT 1 FROM ledger_months WHERE month = of_month) THEN
        RAISE EXCEPTION 'the ledger of % is closed', of_month;
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER ledger_transactions_open BEFORE INSERT ON ledger_transactions
    FOR EACH ROW EXECUTE FUNCTION refuse_closed_month();
CREATE TRIGGER ledger_entries_open BEFORE INSERT ON ledger_entries
    FOR EACH ROW EXECUTE FUNCTION refuse_closed_month();
CREATE TRIGGER tokens_read_open BEFORE INSERT ON tokens_read
    FOR EACH ROW EXECUTE FUNCTION refuse_closed_month();
CREATE TRIGGER usage_records_open BEFORE INSERT ON usage_records
    FOR EACH ROW EXECUTE FUNCTION refuse_closed_month();
CREATE TRIGGER ledger_transactions_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_transactions
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER ledger_entries_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_entries
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- What each contributor is told of a closed month, signed.
CREATE TABLE ledger_statements (
    id uuid PRIMARY KEY,
    institution_id uuid NOT NULL REFERENCES institutions,
    month date NOT NULL REFERENCES ledger_months (month) DEFERRABLE INITIALLY DEFERRED,
    -- Canonical JSON (ledger::Statement) and the hash of that text.
    body text NOT NULL,
    body_sha256 text NOT NULL CHECK (body_sha256 ~ '^[0-9a-f]{64}$'),
    -- The DSSE envelope around it.
    envelope text NOT NULL,
    UNIQUE (institution_id, month)
);
CREATE INDEX ledger_statements_by_month ON ledger_statements (month);
CREATE TRIGGER ledger_statements_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_statements
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
