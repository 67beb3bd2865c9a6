-- Facts that documents about models state and that no other table holds: of the provider, of base models made
-- elsewhere, and what a legal reviewer decided on a heavy modification. All of it append-only; the newest counts.
CREATE TABLE provider_facts (
    id uuid PRIMARY KEY,
    -- disclosures::ProviderFacts as canonical JSON
    facts text NOT NULL,
    facts_sha256 text NOT NULL CHECK (facts_sha256 = encode(sha256(convert_to(facts, 'UTF8')), 'hex')),
    recorded_by uuid NOT NULL REFERENCES users,
    recorded_at timestamptz NOT NULL
);
CREATE INDEX provider_facts_by_time ON provider_facts (recorded_at);
CREATE INDEX provider_facts_by_user ON provider_facts (recorded_by);
CREATE TRIGGER provider_facts_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON provider_facts
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE TABLE base_model_facts (
    id uuid PRIMARY KEY,
    model_id uuid NOT NULL REFERENCES models,
    -- disclosures::BaseFacts as canonical JSON
    facts text NOT NULL,
    facts_sha256 text NOT NULL CHECK (facts_sha256 = encode(sha256(convert_to(facts, 'UTF8')), 'hex')),
    -- The same as in `facts`, for the rule on heavy modifications.
    training_flop double precision CHECK (training_flop > 0),
    recorded_by uuid NOT NULL REFERENCES users,
    recorded_at timestamptz NOT NULL
);
CREATE INDEX base_model_facts_by_model ON base_model_facts (model_id, recorded_at);
CREATE INDEX base_model_facts_by_user ON base_model_facts (recorded_by);
CREATE TRIGGER base_model_facts_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON base_model_facts
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE TABLE modification_decisions (
    id uuid PRIMARY KEY,
    model_id uuid NOT NULL REFERENCES models,
    -- What was decided on: the cumulative compute of the modification and what it was compared with.
    cumulative_flop double precision NOT NULL CHECK (cumulative_flop >= 0),
    reference_flop double precision NOT NULL CHECK (reference_flop > 0),
    conclusion text NOT NULL CHECK (conclusion IN ('same_model', 'new_model')),
    reason text NOT NULL CHECK (char_length(reason) BETWEEN 1 AND 2000),
    decided_by uuid NOT NULL REFERENCES users,
    decided_at timestamptz NOT NULL
);
CREATE INDEX modification_decisions_by_model ON modification_decisions (model_id, decided_at);
CREATE INDEX modification_decisions_by_user ON modification_decisions (decided_by);
CREATE TRIGGER modification_decisions_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON modification_decisions
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
