-- Optional steps around what an institution's keys ask and get: personal data is masked, a service of its own judges.
CREATE TABLE institution_safeguards (
    institution_id uuid PRIMARY KEY REFERENCES institutions,
    filters_prompts boolean NOT NULL,
    filters_answers boolean NOT NULL,
    -- Where texts are judged; none: nowhere.
    hook_url text CHECK (char_length(hook_url) BETWEEN 1 AND 2000),
    hook_judges_prompts boolean NOT NULL,
    hook_judges_answers boolean NOT NULL,
    -- What happens while the service does not answer.
    hook_failure text NOT NULL CHECK (hook_failure IN ('refuse', 'pass')),
    -- How often its secret was made; the secret itself is kept nowhere.
    hook_generation integer NOT NULL CHECK (hook_generation >= 1),
    changed_by uuid NOT NULL REFERENCES users,
    changed_at timestamptz NOT NULL,
    CONSTRAINT a_hook_judges_something
        CHECK (hook_url IS NULL OR hook_judges_prompts OR hook_judges_answers)
);
CREATE INDEX institution_safeguards_by_changer ON institution_safeguards (changed_by);
CREATE TRIGGER institution_safeguards_news AFTER INSERT OR UPDATE OR DELETE ON institution_safeguards
    FOR EACH STATEMENT EXECUTE FUNCTION tell_gateway('safeguards');
