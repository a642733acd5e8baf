-- Everything that is stored. Portable on purpose: no sequences, triggers, extensions, advisory locks, temporary tables.
--
-- `shard` is the first byte of the SHA-256 of the user's key, and leads the primary key of all that belongs to a user: what a
-- distributed form of PostgreSQL may spread it by. Texts compare byte by byte. Ids of 16 bytes are uuids: same order.
-- Texts that people send have no NUL and no SOH: see `rows.rs` for how those two are written.
-- `body` is the whole record in MessagePack behind a version byte; columns beside it are what is looked for, and what people read.

-- What there is one of: data_version, sealing_key, admin_token_hash, copy_mark. (Made by schema.rs, before this.)

-- The fence: how often definitions and backfills were written, in 64 equal rows, one for each slot (see below). A commit locks
-- that of its slot; one that writes definitions or backfills locks them all, and thereby waits for everybody who decided on the
-- older ones.
CREATE TABLE IF NOT EXISTS fence (
    slot smallint PRIMARY KEY,
    definitions bigint NOT NULL,
    backfills bigint NOT NULL
);
INSERT INTO fence (slot, definitions, backfills)
    SELECT slot, 0, 0 FROM generate_series(0, 63) AS slot ON CONFLICT DO NOTHING;

-- How often records of other sorts were written: healths, replays.
CREATE TABLE IF NOT EXISTS heads (
    name text COLLATE "C" PRIMARY KEY,
    revision bigint NOT NULL
);
INSERT INTO heads (name, revision) VALUES ('healths', 0), ('replays', 0) ON CONFLICT DO NOTHING;

-- A row per commit, written with it and kept for an hour: what tells whether a COMMIT that was not answered took place.
CREATE TABLE IF NOT EXISTS commits (
    id uuid PRIMARY KEY,
    at timestamptz NOT NULL
);
CREATE INDEX IF NOT EXISTS commits_at ON commits (at);

-- `commit` is the id of the last event of the same commit: the log is read in the order of (commit, id), whole commits at a time.
CREATE TABLE IF NOT EXISTS events (
    shard smallint NOT NULL,
    id uuid NOT NULL,
    commit uuid NOT NULL,
    user_key text COLLATE "C" NOT NULL,
    type text COLLATE "C" NOT NULL,
    name text COLLATE "C",
    occurred_at timestamptz NOT NULL,
    arrived_at timestamptz NOT NULL,
    body bytea NOT NULL,
    PRIMARY KEY (shard, id)
);
CREATE INDEX IF NOT EXISTS events_id ON events (id);
CREATE INDEX IF NOT EXISTS events_commit ON events (commit, id);

CREATE TABLE IF NOT EXISTS profiles (
    shard smallint NOT NULL,
    user_key text COLLATE "C" NOT NULL,
    revision bigint NOT NULL,
    wake_at timestamptz,
    is_merged boolean NOT NULL,
    body bytea NOT NULL,
    PRIMARY KEY (shard, user_key)
);
CREATE INDEX IF NOT EXISTS profiles_user ON profiles (user_key);
CREATE INDEX IF NOT EXISTS profiles_wake ON profiles (wake_at, user_key) WHERE wake_at IS NOT NULL;

CREATE TABLE IF NOT EXISTS leaf_pages (
    shard smallint NOT NULL,
    owner_key text COLLATE "C" NOT NULL,
    leaf bigint NOT NULL,
    number bigint NOT NULL,
    page bytea NOT NULL,
    PRIMARY KEY (shard, owner_key, leaf, number)
);

-- Message ids stored on their own.
CREATE TABLE IF NOT EXISTS seen (
    shard smallint NOT NULL,
    user_key text COLLATE "C" NOT NULL,
    message bytea NOT NULL,
    at timestamptz NOT NULL,
    PRIMARY KEY (shard, user_key, message)
);
CREATE INDEX IF NOT EXISTS seen_at ON seen (at);

-- An open journey, and a newly finished one, is whole in its user's profile; `body` is that of an archived one.
CREATE TABLE IF NOT EXISTS journeys (
    shard smallint NOT NULL,
    id uuid NOT NULL,
    user_key text COLLATE "C" NOT NULL,
    flow text COLLATE "C" NOT NULL,
    stage text COLLATE "C" NOT NULL,
    status text COLLATE "C" NOT NULL,
    stage_at timestamptz NOT NULL,
    started_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    ended_at timestamptz,
    is_archived boolean NOT NULL,
    body bytea,
    PRIMARY KEY (shard, id)
);
CREATE INDEX IF NOT EXISTS journeys_id ON journeys (id);
CREATE INDEX IF NOT EXISTS journeys_user ON journeys (user_key, id);
CREATE INDEX IF NOT EXISTS journeys_stalled ON journeys (id) WHERE status = 'stalled';

CREATE TABLE IF NOT EXISTS members (
    shard smallint NOT NULL,
    audience_id text COLLATE "C" NOT NULL,
    user_key text COLLATE "C" NOT NULL,
    since timestamptz NOT NULL,
    PRIMARY KEY (shard, audience_id, user_key)
);
CREATE INDEX IF NOT EXISTS members_audience ON members (audience_id, user_key);

-- Who entered and left within an hour or a day. Each writer adds to the row of a slot of its own (0 to 63). The size at its end is
-- the number of members now without what came in later; a point that was copied from elsewhere has it in the row of slot -1.
CREATE TABLE IF NOT EXISTS audience_sizes (
    audience_id text COLLATE "C" NOT NULL,
    per text COLLATE "C" NOT NULL,
    start timestamptz NOT NULL,
    slot smallint NOT NULL,
    entered bigint NOT NULL,
    exited bigint NOT NULL,
    size bigint,
    PRIMARY KEY (audience_id, per, start, slot)
);

CREATE TABLE IF NOT EXISTS external_ids (
    shard smallint NOT NULL,
    kind text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,
    user_key text COLLATE "C" NOT NULL,
    PRIMARY KEY (shard, kind, id, user_key)
);

CREATE TABLE IF NOT EXISTS deliveries (
    shard smallint NOT NULL,
    id uuid NOT NULL,
    destination text COLLATE "C" NOT NULL,
    user_key text COLLATE "C" NOT NULL,
    message_id text COLLATE "C" NOT NULL,
    status text COLLATE "C" NOT NULL,
    cause text COLLATE "C" NOT NULL,
    next_attempt_at timestamptz NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    tries integer NOT NULL,
    reason text COLLATE "C",
    body bytea NOT NULL,
    PRIMARY KEY (shard, id)
);
CREATE INDEX IF NOT EXISTS deliveries_id ON deliveries (id);
CREATE INDEX IF NOT EXISTS deliveries_pending ON deliveries (destination, user_key, id) WHERE status = 'pending';
CREATE INDEX IF NOT EXISTS deliveries_status ON deliveries (status, id)
    WHERE status IN ('failed', 'dead', 'ambiguous', 'superseded');

-- One row per user and destination with something pending: its first pending delivery. Whoever makes or changes deliveries of a
-- lane locks its row first.
CREATE TABLE IF NOT EXISTS lanes (
    shard smallint NOT NULL,
    destination text COLLATE "C" NOT NULL,
    user_key text COLLATE "C" NOT NULL,
    head uuid NOT NULL,
    due timestamptz NOT NULL,
    PRIMARY KEY (shard, destination, user_key)
);
CREATE INDEX IF NOT EXISTS lanes_due ON lanes (destination, due, user_key);

-- Definitions as JSON; those of sources and destinations are sealed.
CREATE TABLE IF NOT EXISTS definitions (
    kind text COLLATE "C" NOT NULL,
    key text COLLATE "C" NOT NULL,
    computation_id text COLLATE "C",
    body bytea NOT NULL,
    PRIMARY KEY (kind, key)
);

CREATE TABLE IF NOT EXISTS backfills (
    id uuid PRIMARY KEY,
    body bytea NOT NULL
);

CREATE TABLE IF NOT EXISTS healths (
    destination text COLLATE "C" PRIMARY KEY,
    body bytea NOT NULL
);

CREATE TABLE IF NOT EXISTS replays (
    id uuid PRIMARY KEY,
    body bytea NOT NULL
);

CREATE TABLE IF NOT EXISTS unknown_flows (
    flow text COLLATE "C" PRIMARY KEY
);

-- Running totals: the sum of a name's slots. Names: events, profiles, journeys:<status>, members:<audience id>,
-- deliveries:<status>:<destination>. Each writer adds to a slot of its own (0 to 63).
CREATE TABLE IF NOT EXISTS counters (
    name text COLLATE "C" NOT NULL,
    slot smallint NOT NULL,
    n bigint NOT NULL,
    PRIMARY KEY (name, slot)
);

CREATE TABLE IF NOT EXISTS leases (
    name text COLLATE "C" PRIMARY KEY,
    holder text COLLATE "C" NOT NULL,
    until timestamptz NOT NULL
);

-- For people: who is in which audience, by the audience's key.
CREATE OR REPLACE VIEW audience_members AS
    SELECT d.key AS audience_key,
           m.audience_id,
           CASE WHEN m.user_key LIKE 'u:%' THEN substr(m.user_key, 3) END AS user_id,
           m.user_key,
           CASE substr(m.user_key, 1, 2) WHEN 'u:' THEN 'user' WHEN 'a:' THEN 'anonymous' ELSE 'account' END AS kind,
           m.since
    FROM members m
    JOIN definitions d ON d.kind = 'audience' AND d.computation_id = m.audience_id;
