-- What a job was expected to need when it was asked for.
CREATE TABLE job_estimates (
    job_id uuid PRIMARY KEY REFERENCES jobs,
    -- At which place.
    place text NOT NULL,
    -- 'measured': from jobs that ran there on that base; 'default': from the settings and stated assumptions.
    basis text NOT NULL CHECK (basis IN ('measured', 'default')),
    tokens bigint NOT NULL CHECK (tokens >= 0),
    flop double precision NOT NULL CHECK (flop >= 0),
    seconds bigint NOT NULL CHECK (seconds >= 0),
    milli_sbu bigint NOT NULL CHECK (milli_sbu >= 0),
    joules bigint NOT NULL CHECK (joules >= 0),
    made_at timestamptz NOT NULL
);
CREATE TRIGGER job_estimates_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON job_estimates
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
