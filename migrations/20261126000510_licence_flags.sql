-- What a registered licence asks and allows stands beside it, as it was read then: rules look at flags, never at names.
ALTER TABLE licence_facts
    -- permission_policy::LicenceFlags; NULL: nobody knows this licence.
    ADD COLUMN flags jsonb CHECK (jsonb_typeof(flags) = 'object');

-- Earlier facts: Creative Commons by its elements. Of the others nothing is known, and so nothing is allowed.
ALTER TABLE licence_facts DISABLE TRIGGER licence_facts_append_only;
UPDATE licence_facts SET flags = jsonb_build_object(
        'non_commercial', licence_has(license, 'NC'),
        'no_derivatives', licence_has(license, 'ND'),
        'share_alike', licence_has(license, 'SA'))
    WHERE upper(license) ~ '^CC(0|-0|-BY|-PDDC)';
ALTER TABLE licence_facts ENABLE TRIGGER licence_facts_append_only;
