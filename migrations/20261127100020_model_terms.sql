-- The terms under which an institution may use the models by keys, accepted once by a manager of it.
CREATE TABLE model_terms_acceptances (
    institution_id uuid NOT NULL REFERENCES institutions,
    version text NOT NULL CHECK (version ~ '^[0-9]{4}-[0-9]{2}$'),
    accepted_by uuid NOT NULL REFERENCES users,
    accepted_at timestamptz NOT NULL,
    PRIMARY KEY (institution_id, version)
);
