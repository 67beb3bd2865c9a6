-- What a public summary of training content says of a dataset: kept as it was stated and when, so that a document
-- can be made again as at its date. Additive: a dataset without a row has stated nothing yet.
CREATE TABLE dataset_public_facts (
    id uuid PRIMARY KEY,
    dataset_id uuid NOT NULL REFERENCES datasets,
    -- Sections 2.1 to 2.6 of the Commission's template; none: not stated.
    source_category text CHECK (source_category IN ('public_dataset', 'licensed_rightholder', 'private_third_party',
        'crawled', 'user_data', 'synthetic', 'other')),
    content_types text[] NOT NULL CHECK (content_types <@ ARRAY['fiction', 'non_fiction', 'scientific', 'press',
        'legal', 'government', 'educational', 'conversation', 'software', 'other']),
    -- First day of the month in which the last of it was acquired.
    acquired_until date CHECK (acquired_until = date_trunc('month', acquired_until)::date),
    -- ISO 639 codes.
    languages text[] NOT NULL,
    -- How it was collected or made; for what was crawled: crawler, period, conduct and largest domains.
    collection text NOT NULL CHECK (char_length(collection) <= 5000),
    recorded_by uuid NOT NULL REFERENCES users,
    recorded_at timestamptz NOT NULL
);
CREATE INDEX dataset_public_facts_by_dataset ON dataset_public_facts (dataset_id, recorded_at);
CREATE INDEX dataset_public_facts_by_user ON dataset_public_facts (recorded_by);
CREATE TRIGGER dataset_public_facts_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON dataset_public_facts
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
