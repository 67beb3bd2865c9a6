-- A month of the ledger closes over all of its raw events, and over statements that are signed by a key that holds.

-- Whoever writes a raw event holds a share of its month's lock until the event is committed; closing takes the lock for
-- itself. So an event is either committed before the month is read, or refused.
CREATE OR REPLACE FUNCTION refuse_closed_month() RETURNS trigger LANGUAGE plpgsql AS $$
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
    IF TG_TABLE_NAME IN ('tokens_read', 'usage_records') THEN
        PERFORM pg_advisory_xact_lock_shared(hashtext('ledger'), of_month - DATE '2000-01-01');
    END IF;
    IF EXISTS (SELECT 1 FROM ledger_months WHERE month = of_month) THEN
        RAISE EXCEPTION 'the ledger of % is closed', of_month;
    END IF;
    RETURN NEW;
END $$;

-- The signature itself is checked by the portal; everything around it here too.
CREATE FUNCTION refuse_unsigned_month() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    statement record;
BEGIN
    FOR statement IN SELECT id, body, body_sha256, envelope FROM ledger_statements WHERE month = NEW.month LOOP
        IF decode(statement.envelope::jsonb ->> 'payload', 'base64') <> convert_to(statement.body, 'UTF8')
            OR encode(sha256(convert_to(statement.body, 'UTF8')), 'hex') <> statement.body_sha256 THEN
            RAISE EXCEPTION 'the envelope of statement % is about something else', statement.id;
        END IF;
        IF NOT coalesce(
            signing_key_holds(statement.envelope::jsonb #>> '{signatures,0,keyid}', NEW.closed_at), false) THEN
            RAISE EXCEPTION 'statement % is signed by a key that does not hold', statement.id;
        END IF;
    END LOOP;
    RETURN NEW;
END $$;
CREATE TRIGGER ledger_months_signed BEFORE INSERT ON ledger_months
    FOR EACH ROW EXECUTE FUNCTION refuse_unsigned_month();
