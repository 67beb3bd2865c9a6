-- What the program of an attempt wrote, without secrets, in the parts in which its place handed it out.
CREATE TABLE attempt_logs (
    attempt_id uuid PRIMARY KEY REFERENCES attempts,
    -- Where to go on reading, in bytes of what the program wrote.
    next_byte bigint NOT NULL CHECK (next_byte >= 0),
    size_bytes bigint NOT NULL CHECK (size_bytes >= 0),
    -- Nothing more is read: it is whole, it is too long, or its place has not got it any more.
    is_closed boolean NOT NULL,
    -- The part after the longest that is kept is left out.
    is_cut boolean NOT NULL
);
CREATE TABLE attempt_log_parts (
    attempt_id uuid NOT NULL REFERENCES attempt_logs ON DELETE CASCADE,
    first_byte bigint NOT NULL CHECK (first_byte >= 0),
    text text NOT NULL,
    PRIMARY KEY (attempt_id, first_byte)
);
