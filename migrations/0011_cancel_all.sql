-- Up Migration

-- A halt that empties a scope is carried out by the matching engine, and confirmed.
ALTER TABLE effect DROP CONSTRAINT effect_kind_check;
ALTER TABLE effect ADD CONSTRAINT effect_kind_check
  CHECK (kind IN ('block', 'close', 'cancel', 'resume', 'withdraw', 'cancel_all'));

-- Down Migration

ALTER TABLE effect DROP CONSTRAINT effect_kind_check;
ALTER TABLE effect ADD CONSTRAINT effect_kind_check CHECK (kind IN ('block', 'close', 'cancel', 'resume', 'withdraw'));
