-- What the console stands on.

-- Shelves: people, tokens, sessions, audit. `value` is JSON.
CREATE TABLE IF NOT EXISTS shelves (
    shelf text COLLATE "C" NOT NULL,
    key text COLLATE "C" NOT NULL,
    value bytea NOT NULL,
    PRIMARY KEY (shelf, key)
);

-- Figures: how many of something there were within a minute, an hour, a day, or ever. Each writer adds to the row of a slot of its
-- own (0 to 63): add them up. `family` says what is counted, `subject` of which source, flow or destination, `detail` what about it.
CREATE TABLE IF NOT EXISTS figures (
    family text COLLATE "C" NOT NULL,
    subject text COLLATE "C" NOT NULL,
    grain text COLLATE "C" NOT NULL,
    start timestamptz NOT NULL,
    detail text COLLATE "C" NOT NULL,
    slot smallint NOT NULL,
    n bigint NOT NULL,
    PRIMARY KEY (family, subject, grain, start, detail, slot)
);
CREATE INDEX IF NOT EXISTS figures_age ON figures (grain, start);

-- How the journeys that are there stand. (All else is counted from now on: what became of them is not for SQL to read.) Figures know a flow by the first 100 bytes of its name.
INSERT INTO figures (family, subject, grain, start, detail, slot, n)
    SELECT 'standing', known_as, 'ever', '1970-01-01T00:00:00Z', status, 0, count(*)
    FROM (
        SELECT status, CASE WHEN octet_length(flow) <= 100 THEN flow ELSE
            left(flow, (SELECT max(k) FROM generate_series(0, 100) AS k WHERE octet_length(left(flow, k)) <= 100))
        END AS known_as
        FROM journeys
    ) AS journey
    GROUP BY known_as, status
    ON CONFLICT DO NOTHING;

-- Which source an event came by: null of those that are older than this column.
ALTER TABLE events ADD COLUMN IF NOT EXISTS source text COLLATE "C";
