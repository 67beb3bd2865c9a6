-- What the Commission's template asks beside the facts of 20261125000900. Additive: what was stated before says
-- nothing of it, so it is missing there.
ALTER TABLE dataset_public_facts
    -- Section 1.3: what else marks the data, such as region, period and groups.
    ADD COLUMN characteristics text NOT NULL DEFAULT '' CHECK (char_length(characteristics) <= 2000),
    -- Sections 2.1 and 2.3 to 2.5, what some kinds of sources are asked alone: datasets::Details.
    ADD COLUMN details jsonb NOT NULL DEFAULT '{}'
        CONSTRAINT details_are_bounded CHECK (jsonb_typeof(details) = 'object' AND octet_length(details::text) <= 500000),
    ADD CONSTRAINT details_have_their_form CHECK (
        coalesce(jsonb_typeof(details -> 'address'), 'null') IN ('string', 'null')
        AND coalesce(jsonb_typeof(details -> 'crawl'), 'object') = 'object'
        AND coalesce(jsonb_typeof(details -> 'users'), 'object') = 'object'
        AND coalesce(jsonb_typeof(details -> 'models'), 'array') = 'array'),
    -- Named are domains that were counted, and the largest tenth of them at least.
    ADD CONSTRAINT domains_are_the_largest_tenth CHECK (
        jsonb_array_length(coalesce(details #> '{crawl,domains}', '[]')) = 0
        OR (jsonb_array_length(details #> '{crawl,domains}')
                BETWEEN 1 AND coalesce((details #>> '{crawl,domain_count}')::bigint, 0)
            AND jsonb_array_length(details #> '{crawl,domains}') * 10
                >= (details #>> '{crawl,domain_count}')::bigint));
