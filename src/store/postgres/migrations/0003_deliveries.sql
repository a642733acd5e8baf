-- Deliveries are found by user, and those that call for somebody's eyes by destination.
CREATE INDEX IF NOT EXISTS deliveries_user ON deliveries (user_key, id);
CREATE INDEX IF NOT EXISTS deliveries_unsent ON deliveries (destination, status, id)
    WHERE status IN ('failed', 'dead', 'ambiguous', 'superseded');
