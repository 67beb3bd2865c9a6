-- What a key may do, and from where.
ALTER TABLE api_keys
    -- Ask models; keys of before may.
    ADD COLUMN may_infer boolean NOT NULL DEFAULT true,
    -- Empty: from everywhere.
    ADD COLUMN allowed_networks cidr[] NOT NULL DEFAULT '{}' CHECK (cardinality(allowed_networks) <= 20);
ALTER TABLE api_keys ADD CONSTRAINT may_something CHECK (may_infer OR may_fine_tune);
