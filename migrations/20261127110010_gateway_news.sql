-- Gateways keep keys, models and blocks of quota in memory; here they are told of what changed.
CREATE FUNCTION tell_of_key() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('gateway', 'key ' || public_id) FROM api_key_secrets WHERE api_key_id = NEW.id;
    RETURN NULL;
END $$;
CREATE TRIGGER api_keys_news
    AFTER UPDATE OF status, expires_at, may_infer, may_fine_tune, is_commercial, allowed_networks ON api_keys
    FOR EACH ROW EXECUTE FUNCTION tell_of_key();
CREATE FUNCTION tell_of_secret() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('gateway', 'key ' || NEW.public_id);
    RETURN NULL;
END $$;
CREATE TRIGGER api_key_secrets_news AFTER UPDATE ON api_key_secrets FOR EACH ROW EXECUTE FUNCTION tell_of_secret();

CREATE FUNCTION tell_gateway() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('gateway', TG_ARGV[0]);
    RETURN NULL;
END $$;
CREATE TRIGGER institutions_news AFTER UPDATE OF status, slug ON institutions
    FOR EACH STATEMENT EXECUTE FUNCTION tell_gateway('keys');
CREATE TRIGGER api_key_models_news AFTER UPDATE OR DELETE ON api_key_models
    FOR EACH STATEMENT EXECUTE FUNCTION tell_gateway('keys');
CREATE TRIGGER models_news AFTER INSERT OR UPDATE ON models
    FOR EACH STATEMENT EXECUTE FUNCTION tell_gateway('models');
CREATE TRIGGER deployments_made_news AFTER INSERT ON deployments
    FOR EACH STATEMENT EXECUTE FUNCTION tell_gateway('models');
-- Serving programs report each few seconds, mostly that all is as before.
CREATE TRIGGER deployments_news AFTER UPDATE ON deployments
    FOR EACH ROW WHEN ((OLD.status, OLD.address) IS DISTINCT FROM (NEW.status, NEW.address))
    EXECUTE FUNCTION tell_gateway('models');
CREATE TRIGGER quota_limits_news AFTER INSERT OR UPDATE OR DELETE ON quota_limits
    FOR EACH STATEMENT EXECUTE FUNCTION tell_gateway('limits');
