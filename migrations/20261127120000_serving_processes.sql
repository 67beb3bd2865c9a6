-- Serving programs by name and with a lease, and where each deployment stands, so that several serve one model.
CREATE TABLE serving_processes (
    -- One life of a program.
    id uuid PRIMARY KEY,
    name text NOT NULL CHECK (char_length(name) BETWEEN 1 AND 100),
    -- Where the gateway reaches it.
    address text NOT NULL CHECK (char_length(address) BETWEEN 1 AND 300),
    -- The bases that it takes; all where there are none here.
    takes text[] NOT NULL,
    most_adapters integer NOT NULL CHECK (most_adapters >= 0),
    -- Memory that is free, as it said last; none where it cannot tell.
    room_bytes bigint CHECK (room_bytes >= 0),
    running integer NOT NULL CHECK (running >= 0),
    waiting integer NOT NULL CHECK (waiting >= 0),
    -- It was told to end, and finishes what runs.
    is_leaving boolean NOT NULL,
    -- Somebody wants nothing new there.
    drained_at timestamptz,
    drained_by uuid REFERENCES users,
    -- By the database's clock, as all that decides whether it lives.
    started_at timestamptz NOT NULL,
    seen_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    gone_at timestamptz,
    CONSTRAINT drained_says_who CHECK ((drained_at IS NULL) = (drained_by IS NULL))
);
CREATE INDEX serving_processes_by_drainer ON serving_processes (drained_by);
-- Who comes at the address of another has taken its place.
CREATE UNIQUE INDEX serving_processes_one_an_address ON serving_processes (address) WHERE gone_at IS NULL;

CREATE TABLE serving_places (
    deployment_id uuid NOT NULL REFERENCES deployments,
    process_id uuid NOT NULL REFERENCES serving_processes ON DELETE CASCADE,
    state text NOT NULL CHECK (state IN ('loading', 'ready', 'failed')),
    message text CHECK (char_length(message) <= 1000),
    -- Whether it answers something; kept up to date once it takes nothing new.
    is_in_use boolean NOT NULL,
    placed_at timestamptz NOT NULL,
    -- Since when it takes nothing new.
    left_at timestamptz,
    reported_at timestamptz,
    PRIMARY KEY (deployment_id, process_id)
);
CREATE INDEX serving_places_by_process ON serving_places (process_id);

ALTER TABLE deployments
    ADD COLUMN replicas integer NOT NULL DEFAULT 1 CHECK (replicas BETWEEN 1 AND 32),
    -- Since when it takes nothing new; it is stopped once nothing runs.
    ADD COLUMN draining_at timestamptz;

-- `deployments.address` is of before there were places.
CREATE TRIGGER deployments_drained_news AFTER UPDATE ON deployments
    FOR EACH ROW WHEN (OLD.draining_at IS DISTINCT FROM NEW.draining_at)
    EXECUTE FUNCTION tell_gateway('models');
CREATE TRIGGER serving_places_gone_news AFTER DELETE ON serving_places
    FOR EACH STATEMENT EXECUTE FUNCTION tell_gateway('models');
CREATE TRIGGER serving_places_news AFTER UPDATE ON serving_places
    FOR EACH ROW WHEN ((OLD.state, OLD.left_at) IS DISTINCT FROM (NEW.state, NEW.left_at))
    EXECUTE FUNCTION tell_gateway('models');
CREATE TRIGGER serving_processes_news AFTER UPDATE ON serving_processes
    FOR EACH ROW WHEN ((OLD.address, OLD.is_leaving, OLD.gone_at)
        IS DISTINCT FROM (NEW.address, NEW.is_leaving, NEW.gone_at))
    EXECUTE FUNCTION tell_gateway('models');
