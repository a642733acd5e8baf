-- What lists go by.

-- Deliveries are found by user, and those that call for somebody's eyes by destination.
CREATE INDEX IF NOT EXISTS deliveries_user ON deliveries (user_key, id);
CREATE INDEX IF NOT EXISTS deliveries_unsent ON deliveries (destination, status, id)
    WHERE status IN ('failed', 'dead', 'ambiguous', 'superseded');

-- Journeys are found by flow and status.
CREATE INDEX IF NOT EXISTS journeys_flow ON journeys (flow, status, id);
CREATE INDEX IF NOT EXISTS journeys_status ON journeys (status, id);
DROP INDEX IF EXISTS journeys_stalled;

-- The inbox: of a stalled journey since when it is in its stage, and whether somebody took notice of that. Null of all others, and
-- columns of their own, so that a stage that is reached in time changes nothing that an index has.
-- (Who acknowledged what stands in bodies: `upgrade.rs` writes it here.)
ALTER TABLE journeys ADD COLUMN IF NOT EXISTS stalled_since timestamptz;
ALTER TABLE journeys ADD COLUMN IF NOT EXISTS is_acknowledged boolean;
UPDATE journeys SET stalled_since = stage_at, is_acknowledged = false WHERE status = 'stalled';
CREATE INDEX IF NOT EXISTS journeys_inbox ON journeys (is_acknowledged, stalled_since, id) WHERE stalled_since IS NOT NULL;
