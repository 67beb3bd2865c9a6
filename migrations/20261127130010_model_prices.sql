-- What models cost: units of the operator's choice for a million tokens. A token then costs whole millionths of a unit, so sums are exact.
CREATE TABLE model_prices (
    model_id uuid PRIMARY KEY REFERENCES models,
    prompt_per_million bigint NOT NULL CHECK (prompt_per_million BETWEEN 0 AND 1000000),
    completion_per_million bigint NOT NULL CHECK (completion_per_million BETWEEN 0 AND 1000000),
    set_by uuid NOT NULL REFERENCES users,
    set_at timestamptz NOT NULL
);
CREATE INDEX model_prices_by_setter ON model_prices (set_by);
CREATE TRIGGER model_prices_news AFTER INSERT OR UPDATE OR DELETE ON model_prices
    FOR EACH STATEMENT EXECUTE FUNCTION tell_gateway('models');

-- The price that held when the request began.
ALTER TABLE quota_holds
    ADD COLUMN prompt_price bigint NOT NULL DEFAULT 0,
    ADD COLUMN completion_price bigint NOT NULL DEFAULT 0;
ALTER TABLE usage_records ADD COLUMN cost_micros bigint NOT NULL DEFAULT 0 CHECK (cost_micros >= 0);
ALTER TABLE usage_days ADD COLUMN cost_micros bigint NOT NULL DEFAULT 0 CHECK (cost_micros >= 0);
