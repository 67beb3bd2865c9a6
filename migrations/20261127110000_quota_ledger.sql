-- The quota ledger: what institutions, projects and keys may use, what they used, and what replicas hold of it.
-- Replaces the counters and reservations of single keys; what was counted is carried over. See docs/quota.md.

-- Whatever has limits. An id is that of the institution, project or key itself.
CREATE TABLE quota_nodes (
    id uuid PRIMARY KEY,
    kind text NOT NULL CHECK (kind IN ('institution', 'project', 'key')),
    parent_id uuid REFERENCES quota_nodes,
    -- Of a project; the others have theirs where they are.
    name text CHECK (char_length(name) BETWEEN 1 AND 100),
    CONSTRAINT institutions_are_roots CHECK ((kind = 'institution') = (parent_id IS NULL)),
    CONSTRAINT projects_have_names CHECK ((kind = 'project') = (name IS NOT NULL))
);
CREATE INDEX quota_nodes_by_parent ON quota_nodes (parent_id);
INSERT INTO quota_nodes (id, kind) SELECT id, 'institution' FROM institutions;
INSERT INTO quota_nodes (id, kind, parent_id) SELECT id, 'key', institution_id FROM api_keys;

CREATE FUNCTION node_of_institution() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO quota_nodes (id, kind) VALUES (NEW.id, 'institution');
    RETURN NULL;
END $$;
CREATE TRIGGER institutions_have_quotas AFTER INSERT ON institutions
    FOR EACH ROW EXECUTE FUNCTION node_of_institution();
CREATE FUNCTION node_of_key() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO quota_nodes (id, kind, parent_id) VALUES (NEW.id, 'key', NEW.institution_id);
    RETURN NULL;
END $$;
CREATE TRIGGER api_keys_have_quotas AFTER INSERT ON api_keys FOR EACH ROW EXECUTE FUNCTION node_of_key();

CREATE TABLE quota_limits (
    node_id uuid NOT NULL REFERENCES quota_nodes,
    measure text NOT NULL CHECK (measure IN ('tokens', 'requests', 'slots')),
    period text NOT NULL CHECK (period IN ('minute', 'day', 'month', 'always')),
    cap bigint NOT NULL CHECK (cap BETWEEN 0 AND 1000000000000000),
    PRIMARY KEY (node_id, measure, period),
    CONSTRAINT slots_have_no_period CHECK ((measure = 'slots') = (period = 'always'))
);
INSERT INTO quota_limits (node_id, measure, period, cap)
SELECT id, 'tokens', 'day', tokens_per_day FROM api_keys
UNION ALL SELECT id, 'requests', 'minute', requests_per_minute FROM api_keys;
ALTER TABLE api_keys DROP COLUMN tokens_per_day, DROP COLUMN requests_per_minute;
-- Never read: what an institution may use stands with the other limits.
ALTER TABLE institutions DROP COLUMN tokens_per_day;

-- Periods are those of Europe/Amsterdam; `starts_at` of what has none is the epoch.
CREATE TABLE quota_counters (
    node_id uuid NOT NULL REFERENCES quota_nodes,
    measure text NOT NULL CHECK (measure IN ('tokens', 'requests', 'slots')),
    period text NOT NULL CHECK (period IN ('minute', 'day', 'month', 'always')),
    starts_at timestamptz NOT NULL,
    used bigint NOT NULL DEFAULT 0 CHECK (used >= 0),
    leased bigint NOT NULL DEFAULT 0 CHECK (leased >= 0),
    PRIMARY KEY (node_id, measure, period, starts_at)
) WITH (fillfactor = 50);
CREATE INDEX quota_counters_of_minutes ON quota_counters (starts_at) WHERE period = 'minute';

-- One life of one process that serves.
CREATE TABLE quota_replicas (
    id uuid PRIMARY KEY,
    -- Of its last exchange.
    seq bigint NOT NULL CHECK (seq >= 0),
    joined_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    died_at timestamptz
) WITH (fillfactor = 50);
CREATE INDEX quota_replicas_alive ON quota_replicas (id) WHERE died_at IS NULL;

CREATE TABLE quota_leases (
    replica_id uuid NOT NULL REFERENCES quota_replicas,
    leaf_id uuid NOT NULL REFERENCES quota_nodes,
    measure text NOT NULL CHECK (measure IN ('tokens', 'requests', 'slots')),
    -- The minute in which it admits, and so the periods that it counts in.
    since timestamptz NOT NULL,
    -- From the leaf to the root, as it was when the lease was made.
    path uuid[] NOT NULL CHECK (path[1] = leaf_id),
    granted bigint NOT NULL CHECK (granted >= 0),
    -- The sum of its holds.
    open bigint NOT NULL CHECK (open BETWEEN 0 AND granted),
    -- What may be handed out beyond the holds before it is told.
    untold bigint NOT NULL CHECK (untold BETWEEN 0 AND granted - open),
    orphaned_at timestamptz,
    PRIMARY KEY (replica_id, leaf_id, measure, since)
) WITH (fillfactor = 50);
CREATE INDEX quota_leases_by_leaf ON quota_leases (leaf_id);
CREATE INDEX quota_leases_orphaned ON quota_leases (orphaned_at) WHERE orphaned_at IS NOT NULL;

-- Reservations under way that the ledger was told of.
CREATE TABLE quota_holds (
    replica_id uuid NOT NULL,
    leaf_id uuid NOT NULL,
    measure text NOT NULL,
    since timestamptz NOT NULL,
    request_id uuid NOT NULL,
    amount bigint NOT NULL CHECK (amount >= 0),
    model_id uuid NOT NULL REFERENCES models,
    -- Where it can be asked what was really produced.
    upstream text NOT NULL,
    is_streamed boolean NOT NULL,
    started_at timestamptz NOT NULL,
    PRIMARY KEY (replica_id, leaf_id, measure, since, request_id),
    FOREIGN KEY (replica_id, leaf_id, measure, since) REFERENCES quota_leases
) WITH (fillfactor = 50);
CREATE INDEX quota_holds_by_model ON quota_holds (model_id);

-- What was charged because a replica died before it told what it had handed out.
CREATE TABLE quota_lost (
    replica_id uuid NOT NULL REFERENCES quota_replicas,
    leaf_id uuid NOT NULL REFERENCES quota_nodes,
    measure text NOT NULL CHECK (measure IN ('tokens', 'requests', 'slots')),
    since timestamptz NOT NULL,
    amount bigint NOT NULL CHECK (amount > 0),
    charged_at timestamptz NOT NULL,
    PRIMARY KEY (replica_id, leaf_id, measure, since)
);
CREATE INDEX quota_lost_by_leaf ON quota_lost (leaf_id);

-- Raw use, by month; one row for each reservation that ended.
DROP TRIGGER usage_records_append_only ON usage_records;
DROP TRIGGER usage_records_open ON usage_records;
ALTER TABLE usage_records RENAME TO usage_records_of_before;
DROP INDEX usage_records_by_key, usage_records_by_institution, usage_records_by_model, usage_records_by_end;

CREATE TABLE usage_records (
    request_id uuid NOT NULL,
    api_key_id uuid NOT NULL REFERENCES api_keys,
    institution_id uuid NOT NULL REFERENCES institutions,
    model_id uuid NOT NULL REFERENCES models,
    -- In which it counts: that of its admission, in Europe/Amsterdam.
    day date NOT NULL,
    prompt_tokens bigint NOT NULL CHECK (prompt_tokens >= 0),
    completion_tokens bigint NOT NULL CHECK (completion_tokens >= 0),
    -- completed; cut: the client left, the budget ended or the upstream broke off; failed: nothing was produced;
    -- recovered: settled after a crash of ours
    outcome text NOT NULL CHECK (outcome IN ('completed', 'cut', 'failed', 'recovered')),
    is_streamed boolean NOT NULL,
    started_at timestamptz NOT NULL,
    ended_at timestamptz NOT NULL,
    -- Which life of which process admitted it; nil: before there was a ledger.
    replica_id uuid NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000',
    PRIMARY KEY (day, request_id, replica_id)
) PARTITION BY RANGE (day);
CREATE INDEX usage_records_by_model ON usage_records (model_id, ended_at);
CREATE INDEX usage_records_by_end ON usage_records (ended_at);
CREATE INDEX usage_records_by_key ON usage_records (api_key_id, day);
CREATE TABLE usage_records_rest PARTITION OF usage_records DEFAULT;

-- Makes the parts for the month of `around` and the two after it. The owner's, for the portal's role makes no tables.
CREATE FUNCTION make_usage_parts(around date) RETURNS void LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = public, pg_temp AS $$
DECLARE
    month date;
    part text;
BEGIN
    FOR n IN 0..2 LOOP
        month := (date_trunc('month', around) + make_interval(months => n))::date;
        part := 'usage_records_' || to_char(month, 'YYYY_MM');
        CONTINUE WHEN to_regclass(part) IS NOT NULL
            OR EXISTS (SELECT 1 FROM usage_records_rest
                       WHERE day >= month AND day < (month + interval '1 month')::date);
        EXECUTE format('CREATE TABLE %I PARTITION OF usage_records FOR VALUES FROM (%L) TO (%L)',
                       part, month, (month + interval '1 month')::date);
        EXECUTE format('CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON %I
                        FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()', part);
    END LOOP;
END $$;
DO $$ BEGIN
    PERFORM make_usage_parts(least((SELECT min(day) FROM usage_records_of_before), current_date));
    PERFORM make_usage_parts(current_date);
END $$;

INSERT INTO usage_records (request_id, api_key_id, institution_id, model_id, day, prompt_tokens, completion_tokens,
    outcome, is_streamed, started_at, ended_at)
SELECT request_id, api_key_id, institution_id, model_id, day, prompt_tokens, completion_tokens, outcome, is_streamed,
    started_at, ended_at
FROM usage_records_of_before;
DROP TABLE usage_records_of_before;
-- Under way when this ran: nobody is left to say what they used.
INSERT INTO usage_records (request_id, api_key_id, institution_id, model_id, day, prompt_tokens, completion_tokens,
    outcome, is_streamed, started_at, ended_at)
SELECT r.request_id, r.api_key_id, k.institution_id, r.model_id, r.day, r.tokens, 0, 'recovered', r.is_streamed,
    r.created_at, now()
FROM reservations r JOIN api_keys k ON k.id = r.api_key_id;

CREATE TRIGGER usage_records_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON usage_records
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER usage_records_rest_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON usage_records_rest
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- A trigger of a part does not know the whole by name, so it is told.
CREATE OR REPLACE FUNCTION refuse_closed_month() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    of_month date;
    what text := coalesce(TG_ARGV[0], TG_TABLE_NAME);
BEGIN
    CASE what
        WHEN 'ledger_transactions' THEN of_month := NEW.month;
        WHEN 'ledger_entries' THEN
            SELECT month INTO of_month FROM ledger_transactions WHERE id = NEW.transaction_id;
        WHEN 'tokens_read' THEN
            of_month := date_trunc('month', NEW.read_at AT TIME ZONE 'Europe/Amsterdam')::date;
        WHEN 'usage_records' THEN
            of_month := date_trunc('month', NEW.ended_at AT TIME ZONE 'Europe/Amsterdam')::date;
    END CASE;
    IF what IN ('tokens_read', 'usage_records') THEN
        PERFORM pg_advisory_xact_lock_shared(hashtext('ledger'), of_month - DATE '2000-01-01');
    END IF;
    IF EXISTS (SELECT 1 FROM ledger_months WHERE month = of_month) THEN
        RAISE EXCEPTION 'the ledger of % is closed', of_month;
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER usage_records_open BEFORE INSERT ON usage_records
    FOR EACH ROW EXECUTE FUNCTION refuse_closed_month('usage_records');

-- The same by day, for people; kept up in the transaction that books.
CREATE TABLE usage_days (
    api_key_id uuid NOT NULL REFERENCES api_keys,
    day date NOT NULL,
    model_id uuid NOT NULL REFERENCES models,
    institution_id uuid NOT NULL REFERENCES institutions,
    requests bigint NOT NULL CHECK (requests >= 0),
    prompt_tokens bigint NOT NULL CHECK (prompt_tokens >= 0),
    completion_tokens bigint NOT NULL CHECK (completion_tokens >= 0),
    PRIMARY KEY (api_key_id, day, model_id)
) WITH (fillfactor = 70);
CREATE INDEX usage_days_by_institution ON usage_days (institution_id, day);
CREATE INDEX usage_days_by_model ON usage_days (model_id);
INSERT INTO usage_days (api_key_id, day, model_id, institution_id, requests, prompt_tokens, completion_tokens)
SELECT api_key_id, day, model_id, institution_id, count(*), sum(prompt_tokens), sum(completion_tokens)
FROM usage_records GROUP BY 1, 2, 3, 4;

-- What was counted goes on: days of keys as they were enforced, and the sums over months and institutions.
WITH days AS (
    SELECT api_key_id, day, 'tokens' AS measure, used_tokens + reserved_tokens AS used FROM key_days
    UNION ALL SELECT api_key_id, day, 'requests', requests FROM key_days
), nodes AS (
    SELECT api_key_id AS node_id, day, measure, used FROM days
    UNION ALL
    SELECT k.institution_id, d.day, d.measure, d.used FROM days d JOIN api_keys k ON k.id = d.api_key_id
)
INSERT INTO quota_counters (node_id, measure, period, starts_at, used)
SELECT node_id, measure, 'day', day::timestamp AT TIME ZONE 'Europe/Amsterdam', sum(used)
FROM nodes GROUP BY node_id, measure, day
UNION ALL
SELECT node_id, measure, 'month', date_trunc('month', day::timestamp) AT TIME ZONE 'Europe/Amsterdam', sum(used)
FROM nodes GROUP BY node_id, measure, date_trunc('month', day::timestamp);

DROP TABLE reservations, key_days, key_minutes;
