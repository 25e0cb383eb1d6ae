-- Up Migration

-- What fills cost against the marks that their orders were decided at, by day of UTC. Beside the batches: a crash may lose seconds of it.
CREATE TABLE fill_slippage (
  shard text COLLATE "C" NOT NULL,
  day date NOT NULL,
  account text COLLATE "C" NOT NULL,
  instrument text COLLATE "C" NOT NULL,
  kind text COLLATE "C" NOT NULL CHECK (kind IN ('taker', 'maker', 'liquidation')),
  fills bigint NOT NULL CHECK (fills > 0),
  notional_usd numeric NOT NULL CHECK (notional_usd >= 0),
  cost_usd numeric NOT NULL,
  worst numeric NOT NULL,
  beyond bigint NOT NULL CHECK (beyond BETWEEN 0 AND fills),
  PRIMARY KEY (shard, day, account, instrument, kind)
);
CREATE INDEX fill_slippage_day ON fill_slippage (day);

DO $$
BEGIN
  IF (SELECT count(*) FROM pg_roles
      WHERE rolname IN ('plimsoll_margin', 'plimsoll_scheduler', 'plimsoll_api', 'plimsoll_readonly')) < 4 THEN
    RAISE NOTICE 'roles are missing: nothing is granted';
    RETURN;
  END IF;
  GRANT SELECT, INSERT, UPDATE ON fill_slippage TO plimsoll_margin;
  GRANT SELECT, DELETE ON fill_slippage, entity_evidence TO plimsoll_scheduler;
  GRANT SELECT ON fill_slippage TO plimsoll_api, plimsoll_readonly;
END $$;

-- Down Migration

DROP TABLE fill_slippage;
DO $$
BEGIN
  IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'plimsoll_scheduler') THEN
    REVOKE SELECT, DELETE ON entity_evidence FROM plimsoll_scheduler;
  END IF;
END $$;
