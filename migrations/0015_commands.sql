-- Up Migration

-- What operators asked for: one row for each, from the proposal to what became of it. Once it is decided it never goes back.
CREATE TABLE command (
  id text COLLATE "C" PRIMARY KEY CHECK (id ~ '^[A-Za-z0-9_-]{1,64}$'),
  proposer text COLLATE "C" NOT NULL,
  -- What the proposer had logged in with: where that is revoked, nothing is carried out in their name any more.
  credential jsonb NOT NULL,
  operation text COLLATE "C" NOT NULL,
  key text COLLATE "C" NOT NULL CHECK (length(key) BETWEEN 1 AND 64),
  -- Of everything that was asked for: the same key again must ask for the same.
  request_hash sha256 NOT NULL,
  payload jsonb NOT NULL,
  payload_hash sha256 NOT NULL,
  reason text NOT NULL,
  ticket text,
  dry_run text,
  urgent boolean NOT NULL,
  second_person text,
  state text NOT NULL
    CHECK (state IN ('proposed', 'pending', 'applied', 'refused', 'rejected', 'cancelled', 'expired', 'invalid')),
  why text,
  approver text COLLATE "C",
  -- Money that it moves, for the caps of a day; null: none, or of no known price.
  usd numeric,
  trace text,
  entries jsonb NOT NULL DEFAULT '[]',
  facts jsonb NOT NULL DEFAULT '[]',
  created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  expires_at timestamptz,
  decided_at timestamptz,
  CONSTRAINT command_key UNIQUE (proposer, operation, key),
  -- Four eyes, whatever a program thinks.
  CONSTRAINT command_other_person CHECK (approver IS DISTINCT FROM proposer),
  CONSTRAINT command_two_people CHECK (
    second_person IS NULL OR approver IS NOT NULL OR state IN ('proposed', 'rejected', 'cancelled', 'expired', 'invalid')
  )
);
CREATE INDEX command_recent ON command (created_at, id);
CREATE INDEX command_open ON command (state) WHERE state IN ('proposed', 'pending');

CREATE FUNCTION guard_command() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF (OLD.id, OLD.proposer, OLD.credential, OLD.operation, OLD.key, OLD.request_hash, OLD.payload, OLD.payload_hash, OLD.reason,
      OLD.second_person, OLD.expires_at)
    IS DISTINCT FROM (NEW.id, NEW.proposer, NEW.credential, NEW.operation, NEW.key, NEW.request_hash, NEW.payload, NEW.payload_hash,
      NEW.reason, NEW.second_person, NEW.expires_at)
  THEN RAISE EXCEPTION 'what was proposed is not changed' USING ERRCODE = 'PL003'; END IF;
  IF OLD.state <> NEW.state AND NOT (OLD.state = 'proposed' OR (OLD.state = 'pending' AND NEW.state IN ('applied', 'refused')))
  THEN RAISE EXCEPTION 'what was decided stays so' USING ERRCODE = 'PL003'; END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER command_guarded BEFORE UPDATE ON command FOR EACH ROW EXECUTE FUNCTION guard_command();

-- Dry runs that were finished: what a change of the rules is asked for with.
CREATE TABLE dry_run (
  run text COLLATE "C" PRIMARY KEY,
  principal text COLLATE "C" NOT NULL,
  payload_hash sha256 NOT NULL,
  seq bigint NOT NULL,
  totals jsonb NOT NULL,
  at timestamptz NOT NULL DEFAULT clock_timestamp()
);

DO $$
BEGIN
  IF (SELECT count(*) FROM pg_roles WHERE rolname IN ('plimsoll_api', 'plimsoll_readonly')) < 2 THEN
    RAISE NOTICE 'roles are missing: nothing is granted';
    RETURN;
  END IF;
  GRANT SELECT, INSERT ON command, dry_run TO plimsoll_api;
  GRANT UPDATE (state, why, approver, trace, entries, facts, decided_at, usd) ON command TO plimsoll_api;
  GRANT SELECT ON command, dry_run TO plimsoll_readonly;
END $$;

-- Down Migration

DROP TABLE command, dry_run;
DROP FUNCTION guard_command();
