-- Who takes part: institutions, people, what each person may do where, and their sessions.
CREATE TABLE institutions (
    id uuid PRIMARY KEY,
    slug text NOT NULL UNIQUE CHECK (slug ~ '^[a-z0-9][a-z0-9-]{1,39}$'),
    name text NOT NULL CHECK (char_length(name) BETWEEN 1 AND 200),
    kind text NOT NULL CHECK (kind IN ('platform', 'partner')),
    -- SURFconext: which home organisations belong to it, and which identity providers may say so.
    home_organizations text[] NOT NULL DEFAULT '{}',
    authenticating_authorities text[] NOT NULL DEFAULT '{}',
    status text NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'suspended', 'closed')),
    tokens_per_day bigint NOT NULL DEFAULT 1000000 CHECK (tokens_per_day >= 0),
    created_at timestamptz NOT NULL
);

CREATE TABLE users (
    id uuid PRIMARY KEY,
    issuer text NOT NULL,
    subject text NOT NULL CHECK (subject <> ''),
    name text NOT NULL,
    email text,
    claims jsonb NOT NULL DEFAULT '{}',
    claims_at timestamptz,
    created_at timestamptz NOT NULL,
    UNIQUE (issuer, subject)
);

CREATE TABLE memberships (
    user_id uuid NOT NULL REFERENCES users,
    institution_id uuid NOT NULL REFERENCES institutions,
    role text NOT NULL CHECK (role IN ('contributor', 'manager', 'privacy_officer', 'researcher', 'developer',
        'steward', 'legal_reviewer', 'operator', 'admin', 'auditor')),
    created_at timestamptz NOT NULL,
    ended_at timestamptz,
    PRIMARY KEY (user_id, institution_id, role)
);
CREATE INDEX memberships_by_institution ON memberships (institution_id);

CREATE TABLE sessions (
    -- SHA-256 of the cookie: whoever reads this table cannot sign in with it.
    cookie_sha256 bytea PRIMARY KEY CHECK (octet_length(cookie_sha256) = 32),
    user_id uuid NOT NULL REFERENCES users,
    institution_id uuid NOT NULL REFERENCES institutions,
    csrf_secret bytea NOT NULL CHECK (octet_length(csrf_secret) = 32),
    created_at timestamptz NOT NULL,
    last_seen_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL
);
CREATE INDEX sessions_by_user ON sessions (user_id);

CREATE TABLE login_attempts (
    state_sha256 bytea PRIMARY KEY CHECK (octet_length(state_sha256) = 32),
    -- Ties the attempt to the browser that began it.
    browser_sha256 bytea NOT NULL CHECK (octet_length(browser_sha256) = 32),
    nonce text NOT NULL,
    pkce_verifier text NOT NULL,
    return_to text NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL
);
