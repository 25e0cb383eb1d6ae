-- Up Migration

-- Double entry. `number`: of the transaction within its entry, from 0.
CREATE TABLE ledger_transaction (
  shard text COLLATE "C" NOT NULL,
  entry bigint NOT NULL,
  number integer NOT NULL CHECK (number >= 0),
  kind text NOT NULL,
  t bigint NOT NULL,
  PRIMARY KEY (shard, entry, number)
) PARTITION BY RANGE (entry);

CREATE TABLE ledger_leg (
  shard text COLLATE "C" NOT NULL,
  entry bigint NOT NULL,
  number integer NOT NULL,
  account text COLLATE "C" NOT NULL,
  asset text COLLATE "C" NOT NULL,
  leg text COLLATE "C" NOT NULL CHECK (leg IN ('cash', 'margin', 'cost', 'accrued', 'external')),
  instrument text COLLATE "C",
  amount amount NOT NULL,
  CONSTRAINT leg_instrument CHECK ((leg IN ('cash', 'external')) = (instrument IS NULL))
) PARTITION BY RANGE (entry);

CREATE INDEX ledger_leg_account ON ledger_leg (account, entry);
CREATE INDEX ledger_leg_entry ON ledger_leg USING brin (entry) WITH (pages_per_range = 32, autosummarize = on);

-- Every transaction of a statement sums to zero per asset: one pass over the statement's rows, not one call per row.
CREATE FUNCTION check_ledger_balanced() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE wrong record;
BEGIN
  SELECT shard, entry, number, asset, sum(amount) AS sum INTO wrong FROM added
    GROUP BY shard, entry, number, asset HAVING sum(amount) <> 0 LIMIT 1;
  IF FOUND THEN
    RAISE EXCEPTION 'ledger transaction % of entry %, shard %, leaves % %',
      wrong.number, wrong.entry, wrong.shard, wrong.sum, wrong.asset USING ERRCODE = 'PL002';
  END IF;
  RETURN NULL;
END $$;

CREATE TRIGGER ledger_balanced AFTER INSERT ON ledger_leg REFERENCING NEW TABLE AS added
  FOR EACH STATEMENT EXECUTE FUNCTION check_ledger_balanced();
CREATE TRIGGER ledger_leg_final BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_leg
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER ledger_transaction_final BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_transaction
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER journal_final BEFORE UPDATE OR DELETE OR TRUNCATE ON journal
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- No index but the key and room on each page: an update stays on its page.
CREATE TABLE balance (
  shard text COLLATE "C" NOT NULL,
  account text COLLATE "C" NOT NULL,
  asset text COLLATE "C" NOT NULL,
  amount amount NOT NULL,
  PRIMARY KEY (shard, account, asset),
  CONSTRAINT balance_fund_not_negative CHECK (account NOT IN ('insurance', 'house') OR amount >= 0)
) WITH (fillfactor = 60, autovacuum_vacuum_scale_factor = 0.05);

CREATE TABLE position (
  shard text COLLATE "C" NOT NULL,
  account text COLLATE "C" NOT NULL,
  instrument text COLLATE "C" NOT NULL,
  qty amount NOT NULL,
  cost amount NOT NULL,
  margin amount NOT NULL,
  mode text NOT NULL CHECK (mode IN ('cross', 'isolated')),
  leverage amount CHECK (leverage > 0),
  funding_epoch bigint NOT NULL CHECK (funding_epoch >= 0),
  PRIMARY KEY (shard, account, instrument),
  CONSTRAINT position_margin_isolated CHECK (mode = 'isolated' OR margin = 0),
  CONSTRAINT position_flat_costs_nothing CHECK (qty <> 0 OR cost = 0),
  CONSTRAINT position_not_of_system CHECK (account NOT IN ('insurance', 'fees', 'house', 'rounding', 'bad_debt'))
) WITH (fillfactor = 60, autovacuum_vacuum_scale_factor = 0.05);

-- Sums of all legs up to an entry, so that checking the ledger again reads only what is new.
CREATE TABLE ledger_checkpoint (
  shard text COLLATE "C" PRIMARY KEY REFERENCES shard,
  entry bigint NOT NULL CHECK (entry >= 0),
  advanced_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE TRIGGER ledger_checkpoint_monotone BEFORE UPDATE ON ledger_checkpoint FOR EACH ROW
  WHEN (NEW.entry < OLD.entry) EXECUTE FUNCTION refuse_falling();

CREATE TABLE ledger_checkpoint_sum (
  shard text COLLATE "C" NOT NULL,
  account text COLLATE "C" NOT NULL,
  asset text COLLATE "C" NOT NULL,
  leg text COLLATE "C" NOT NULL,
  instrument text COLLATE "C" NOT NULL,
  amount amount NOT NULL,
  legs bigint NOT NULL,
  PRIMARY KEY (shard, account, asset, leg, instrument)
) WITH (fillfactor = 70);

-- Takes the legs since the checkpoint into its sums; the caller's transaction is one snapshot (repeatable read).
CREATE FUNCTION advance_ledger_checkpoint(p_shard text, OUT added bigint, OUT entry bigint, OUT applied_seq bigint)
LANGUAGE plpgsql AS $$
DECLARE done bigint;
BEGIN
  INSERT INTO ledger_checkpoint VALUES (p_shard, 0) ON CONFLICT DO NOTHING;
  SELECT point.entry INTO STRICT done FROM ledger_checkpoint AS point WHERE shard = p_shard FOR UPDATE;
  SELECT row.entries, row.applied_seq INTO STRICT entry, applied_seq FROM shard AS row WHERE id = p_shard;
  -- A plan of its own for these bounds: only the partitions between them are opened.
  EXECUTE 'WITH fresh AS (
      SELECT account, asset, leg, coalesce(instrument, '''') AS instrument, sum(amount) AS amount, count(*) AS legs
      FROM ledger_leg WHERE shard = $1 AND entry > $2 AND entry <= $3 GROUP BY 1, 2, 3, 4
    ), kept AS (
      INSERT INTO ledger_checkpoint_sum AS sum SELECT $1, account, asset, leg, instrument, amount, legs FROM fresh
      ON CONFLICT (shard, account, asset, leg, instrument)
      DO UPDATE SET amount = sum.amount + excluded.amount, legs = sum.legs + excluded.legs
    ) SELECT coalesce(sum(legs), 0)::bigint FROM fresh' INTO added USING p_shard, done, entry;
  UPDATE ledger_checkpoint AS point SET entry = advance_ledger_checkpoint.entry, advanced_at = clock_timestamp()
    WHERE shard = p_shard;
END $$;

-- First a row with the number of comparisons, then what differs: the checkpoint against the tables of the same snapshot.
CREATE FUNCTION ledger_differences(p_shard text, p_limit integer) RETURNS TABLE (compared bigint, what text)
LANGUAGE sql STABLE AS $$
  WITH sums AS (SELECT * FROM ledger_checkpoint_sum WHERE shard = p_shard),
  cash AS (
    SELECT coalesce(s.account, b.account) AS account, coalesce(s.asset, b.asset) AS asset, coalesce(s.amount, 0) AS summed,
      coalesce(b.amount, 0) AS held, coalesce(s.legs, 0) AS legs
    FROM (SELECT * FROM sums WHERE leg = 'cash') AS s
    FULL JOIN (SELECT * FROM balance WHERE shard = p_shard) AS b ON b.account = s.account AND b.asset = s.asset
  ),
  worth AS (
    SELECT account, instrument, sum(amount) FILTER (WHERE leg = 'margin') AS margin, sum(amount) FILTER (WHERE leg = 'cost') AS cost
    FROM sums WHERE leg IN ('margin', 'cost') GROUP BY account, instrument
  ),
  held AS (
    SELECT coalesce(s.account, p.account) AS account, coalesce(s.instrument, p.instrument) AS instrument,
      coalesce(s.margin, 0) AS margin, -coalesce(s.cost, 0) AS cost,
      coalesce(p.margin, 0) AS margin_held, coalesce(p.cost, 0) AS cost_held
    FROM worth AS s
    FULL JOIN (SELECT * FROM position WHERE shard = p_shard) AS p
      ON p.account = s.account AND p.instrument = s.instrument
  ),
  differing AS (
    SELECT format('%s %s: balance %s, ledger %s', account, asset, trim_scale(held), trim_scale(summed)) AS what FROM cash
      WHERE CASE WHEN account = 'rounding' THEN abs(held - summed) > legs * 1e-18 ELSE held <> summed END
    UNION ALL SELECT format('%s %s: margin %s, ledger %s', account, instrument, trim_scale(margin_held), trim_scale(margin))
      FROM held WHERE margin_held <> margin
    UNION ALL SELECT format('%s %s: cost %s, ledger %s', account, instrument, trim_scale(cost_held), trim_scale(cost))
      FROM held WHERE cost_held <> cost
    UNION ALL SELECT format('%s: all legs sum to %s', asset, trim_scale(sum(amount))) FROM sums GROUP BY asset HAVING sum(amount) <> 0
  )
  SELECT (SELECT count(*) FROM cash) + 2 * (SELECT count(*) FROM held), NULL::text
  UNION ALL (SELECT 0, differing.what FROM differing ORDER BY 2 LIMIT p_limit)
$$;

-- Down Migration

DROP FUNCTION ledger_differences(text, integer), advance_ledger_checkpoint(text);
DROP TABLE ledger_checkpoint_sum, ledger_checkpoint, position, balance, ledger_leg, ledger_transaction;
DROP TRIGGER journal_final ON journal;
DROP FUNCTION check_ledger_balanced();
