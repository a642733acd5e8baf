-- What the console stands on.

-- Shelves: people, tokens, sessions, audit. `value` is JSON.
CREATE TABLE IF NOT EXISTS shelves (
    shelf text COLLATE "C" NOT NULL,
    key text COLLATE "C" NOT NULL,
    value bytea NOT NULL,
    PRIMARY KEY (shelf, key)
);
