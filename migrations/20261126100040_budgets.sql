-- What an institution may use in a period. No budget: no limit.
CREATE TABLE budgets (
    id uuid PRIMARY KEY,
    institution_id uuid NOT NULL REFERENCES institutions,
    begins_on date NOT NULL,
    -- The first day after it.
    ends_on date NOT NULL CHECK (ends_on > begins_on),
    -- None: no limit of that kind.
    milli_sbu bigint CHECK (milli_sbu >= 0),
    gpu_seconds bigint CHECK (gpu_seconds >= 0),
    core_seconds bigint CHECK (core_seconds >= 0),
    reserved_milli_sbu bigint NOT NULL DEFAULT 0 CHECK (reserved_milli_sbu >= 0),
    reserved_gpu_seconds bigint NOT NULL DEFAULT 0 CHECK (reserved_gpu_seconds >= 0),
    reserved_core_seconds bigint NOT NULL DEFAULT 0 CHECK (reserved_core_seconds >= 0),
    used_milli_sbu bigint NOT NULL DEFAULT 0 CHECK (used_milli_sbu >= 0),
    used_gpu_seconds bigint NOT NULL DEFAULT 0 CHECK (used_gpu_seconds >= 0),
    used_core_seconds bigint NOT NULL DEFAULT 0 CHECK (used_core_seconds >= 0),
    set_by uuid NOT NULL REFERENCES users,
    set_at timestamptz NOT NULL,
    UNIQUE (institution_id, begins_on)
);

-- One budget of an institution at a time. Its row is held, so that two new ones see each other.
CREATE FUNCTION refuse_overlapping_budget() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('budgets of ' || NEW.institution_id::text, 0));
    IF EXISTS (SELECT 1 FROM budgets b WHERE b.institution_id = NEW.institution_id AND b.begins_on <> NEW.begins_on
                   AND b.begins_on < NEW.ends_on AND NEW.begins_on < b.ends_on) THEN
        RAISE EXCEPTION 'another budget holds in that period'
            USING ERRCODE = 'exclusion_violation', CONSTRAINT = 'budgets_do_not_overlap';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER budgets_do_not_overlap BEFORE INSERT OR UPDATE OF begins_on, ends_on, institution_id ON budgets
    FOR EACH ROW EXECUTE FUNCTION refuse_overlapping_budget();

-- Reserved when an attempt starts, settled when it ends: each once an attempt. Also without a budget, for the share
-- that an institution has of the machines.
CREATE TABLE budget_entries (
    id uuid PRIMARY KEY,
    attempt_id uuid NOT NULL REFERENCES attempts,
    institution_id uuid NOT NULL REFERENCES institutions,
    budget_id uuid REFERENCES budgets,
    kind text NOT NULL CHECK (kind IN ('reserve', 'settle')),
    place text NOT NULL,
    gpus integer NOT NULL CHECK (gpus >= 0),
    cores integer NOT NULL CHECK (cores >= 0),
    milli_sbu_per_gpu_hour bigint NOT NULL CHECK (milli_sbu_per_gpu_hour >= 0),
    milli_sbu_per_core_hour bigint NOT NULL CHECK (milli_sbu_per_core_hour >= 0),
    watts_per_gpu integer NOT NULL CHECK (watts_per_gpu >= 0),
    watts_per_core integer NOT NULL CHECK (watts_per_core >= 0),
    seconds bigint NOT NULL CHECK (seconds >= 0),
    milli_sbu bigint NOT NULL CHECK (milli_sbu >= 0),
    gpu_seconds bigint NOT NULL CHECK (gpu_seconds >= 0),
    core_seconds bigint NOT NULL CHECK (core_seconds >= 0),
    joules bigint NOT NULL CHECK (joules >= 0),
    written_at timestamptz NOT NULL,
    UNIQUE (attempt_id, kind)
);
CREATE INDEX budget_entries_by_time ON budget_entries (written_at);
CREATE TRIGGER budget_entries_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON budget_entries
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- Keeps the sums of the budget, and refuses to reserve what is not left. What was used is settled whatever it is.
CREATE FUNCTION keep_budget() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    held budget_entries;
BEGIN
    IF NEW.kind = 'settle' THEN
        SELECT * INTO held FROM budget_entries WHERE attempt_id = NEW.attempt_id AND kind = 'reserve';
        IF NOT FOUND OR held.budget_id IS DISTINCT FROM NEW.budget_id OR held.institution_id <> NEW.institution_id THEN
            RAISE EXCEPTION 'only what was reserved is settled, with whom it was reserved'
                USING ERRCODE = 'check_violation', CONSTRAINT = 'settles_what_was_reserved';
        END IF;
        UPDATE budgets SET
            reserved_milli_sbu = reserved_milli_sbu - held.milli_sbu,
            reserved_gpu_seconds = reserved_gpu_seconds - held.gpu_seconds,
            reserved_core_seconds = reserved_core_seconds - held.core_seconds,
            used_milli_sbu = used_milli_sbu + NEW.milli_sbu,
            used_gpu_seconds = used_gpu_seconds + NEW.gpu_seconds,
            used_core_seconds = used_core_seconds + NEW.core_seconds
        WHERE id = NEW.budget_id;
    ELSIF NEW.budget_id IS NOT NULL THEN
        UPDATE budgets SET
            reserved_milli_sbu = reserved_milli_sbu + NEW.milli_sbu,
            reserved_gpu_seconds = reserved_gpu_seconds + NEW.gpu_seconds,
            reserved_core_seconds = reserved_core_seconds + NEW.core_seconds
        WHERE id = NEW.budget_id AND institution_id = NEW.institution_id
            AND (milli_sbu IS NULL OR used_milli_sbu + reserved_milli_sbu + NEW.milli_sbu <= milli_sbu)
            AND (gpu_seconds IS NULL OR used_gpu_seconds + reserved_gpu_seconds + NEW.gpu_seconds <= gpu_seconds)
            AND (core_seconds IS NULL OR used_core_seconds + reserved_core_seconds + NEW.core_seconds <= core_seconds);
        IF NOT FOUND THEN
            RAISE EXCEPTION 'that is more than is left of the budget'
                USING ERRCODE = 'check_violation', CONSTRAINT = 'budget_holds';
        END IF;
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER budget_entries_keep_budget BEFORE INSERT ON budget_entries
    FOR EACH ROW EXECUTE FUNCTION keep_budget();
