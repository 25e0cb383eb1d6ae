-- Up Migration

-- What accounts were seen with. Of a value only a hash is kept, keyed by whoever gathers it: the values are people's addresses and
-- devices, and the detector needs no more than that two are the same.
CREATE TABLE entity_evidence (
  account text COLLATE "C" NOT NULL CHECK (account ~ '^[A-Za-z0-9_-]{1,64}$'),
  kind text COLLATE "C" NOT NULL
    CHECK (kind IN ('deposit_address', 'withdrawal_address', 'device', 'funding_path', 'contact')),
  hash sha256 NOT NULL,
  first_seen bigint NOT NULL CHECK (first_seen >= 0),
  last_seen bigint NOT NULL CHECK (last_seen >= first_seen),
  PRIMARY KEY (kind, hash, account)
);
CREATE INDEX entity_evidence_age ON entity_evidence (last_seen);

DO $$
BEGIN
  IF (SELECT count(*) FROM pg_roles WHERE rolname IN ('plimsoll_api', 'plimsoll_scheduler', 'plimsoll_readonly')) < 3 THEN
    RAISE NOTICE 'roles are missing: nothing is granted';
    RETURN;
  END IF;
  GRANT SELECT, INSERT, UPDATE (first_seen, last_seen) ON entity_evidence TO plimsoll_api;
  GRANT SELECT ON entity_evidence TO plimsoll_readonly;
END $$;

-- Down Migration

DROP TABLE entity_evidence;
