-- Up Migration

-- A notice is named by what it tells, so that one that tells of no fact (an alarm for operators) has a name too.
ALTER TABLE notice ADD COLUMN id text COLLATE "C", ADD COLUMN tried_at timestamptz;
UPDATE notice SET id = shard || '-' || fact_seq || '-' || channel;
ALTER TABLE notice
  DROP CONSTRAINT notice_pkey,
  ADD PRIMARY KEY (id),
  ADD CONSTRAINT notice_id CHECK (id ~ '^[A-Za-z0-9_-]{1,200}$'),
  ALTER shard DROP NOT NULL,
  ALTER fact_seq DROP NOT NULL,
  ALTER account DROP NOT NULL,
  ADD CONSTRAINT notice_channel CHECK (channel IN ('account', 'counterparty', 'takeover', 'operator')),
  ADD CONSTRAINT notice_addressee CHECK ((channel = 'operator') = (account IS NULL)),
  ADD CONSTRAINT notice_of_fact CHECK (channel = 'operator' OR (shard IS NOT NULL AND fact_seq IS NOT NULL));
DROP INDEX notice_unsent;
CREATE INDEX notice_unsent ON notice (channel, recorded_at) WHERE sent_at IS NULL;
CREATE INDEX notice_sent ON notice USING brin (sent_at);

-- How far a reader of committed facts has got: what it made of them is written in the same transaction.
CREATE TABLE fact_cursor (
  reader text COLLATE "C" NOT NULL,
  shard text COLLATE "C" NOT NULL,
  seq bigint NOT NULL CHECK (seq >= 0),
  PRIMARY KEY (reader, shard)
) WITH (fillfactor = 40);
CREATE TRIGGER fact_cursor_monotone BEFORE UPDATE ON fact_cursor FOR EACH ROW
  WHEN (NEW.seq < OLD.seq) EXECUTE FUNCTION refuse_falling();

-- A provider is told of the position that it has taken over, until it answers or the attempts are used up.
CREATE TABLE provider_call (
  id text COLLATE "C" PRIMARY KEY CHECK (id ~ '^[A-Za-z0-9_-]{1,200}$'),
  shard text COLLATE "C" NOT NULL,
  fact_seq bigint NOT NULL,
  provider text COLLATE "C" NOT NULL,
  saga text COLLATE "C" NOT NULL,
  step integer NOT NULL,
  body jsonb NOT NULL,
  opened_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  attempts integer NOT NULL DEFAULT 0 CHECK (attempts >= 0),
  tried_at timestamptz,
  outcome text CHECK (outcome IN ('accepted', 'refused', 'timeout')),
  reason text,
  answered_at timestamptz,
  UNIQUE (shard, fact_seq),
  CHECK ((outcome IS NULL) = (answered_at IS NULL))
) WITH (fillfactor = 70);
CREATE INDEX provider_call_open ON provider_call (opened_at) WHERE outcome IS NULL;
CREATE INDEX provider_call_provider ON provider_call (provider, opened_at);
CREATE TRIGGER provider_call_final BEFORE UPDATE ON provider_call FOR EACH ROW
  WHEN (OLD.outcome IS NOT NULL) EXECUTE FUNCTION refuse_change();

-- What is left in the partition that is filled furthest: entries, facts, or days after today.
CREATE FUNCTION partition_room() RETURNS TABLE (parent text, room bigint) LANGUAGE sql STABLE SET timezone = 'UTC' AS $$
  WITH place AS (SELECT coalesce(max(entries), 0) AS entry, coalesce(max(fact_seq), 0) AS fact FROM shard),
  child AS (
    SELECT inhparent::regclass::text AS parent, substring(inhrelid::regclass::text FROM '\d+$') AS number FROM pg_inherits
  )
  SELECT wanted.parent, coalesce((max(child.number::bigint) + 1) * partition_size() - 1, 0) - CASE wanted.parent WHEN 'fact' THEN place.fact ELSE place.entry END
    FROM unnest(ARRAY['journal', 'ledger_transaction', 'ledger_leg', 'fact']) AS wanted (parent)
    CROSS JOIN place LEFT JOIN child ON child.parent = wanted.parent
    GROUP BY wanted.parent, place.entry, place.fact
  UNION ALL
  SELECT wanted.parent, coalesce(max(to_date(child.number, 'YYYYMMDD')) - current_date, -1)
    FROM unnest(ARRAY['gate_decision', 'mark_input']) AS wanted (parent) LEFT JOIN child ON child.parent = wanted.parent
    GROUP BY wanted.parent
$$;

DO $$
DECLARE line text;
BEGIN
  IF (SELECT count(*) FROM pg_roles WHERE rolname IN ('plimsoll_margin', 'plimsoll_liquidation', 'plimsoll_scheduler',
    'plimsoll_mark_price', 'plimsoll_readonly')) < 5 THEN
    RAISE NOTICE 'roles are missing: nothing is granted';
    RETURN;
  END IF;
  FOREACH line IN ARRAY ARRAY[
    'GRANT SELECT ON fact_cursor, provider_call TO plimsoll_margin, plimsoll_liquidation, plimsoll_scheduler,
      plimsoll_mark_price, plimsoll_readonly',
    'GRANT INSERT, UPDATE ON fact_cursor TO plimsoll_liquidation, plimsoll_scheduler',
    'GRANT INSERT, UPDATE ON provider_call TO plimsoll_liquidation',
    'GRANT DELETE ON provider_call TO plimsoll_scheduler'
  ] LOOP EXECUTE line; END LOOP;
END $$;

-- Down Migration

DROP FUNCTION partition_room();
DROP TABLE provider_call, fact_cursor;
DELETE FROM notice WHERE channel = 'operator';
DROP INDEX notice_unsent, notice_sent;
ALTER TABLE notice
  DROP CONSTRAINT notice_of_fact, DROP CONSTRAINT notice_addressee, DROP CONSTRAINT notice_channel,
  ALTER shard SET NOT NULL, ALTER fact_seq SET NOT NULL, ALTER account SET NOT NULL,
  DROP CONSTRAINT notice_pkey, DROP COLUMN id, DROP COLUMN tried_at, ADD PRIMARY KEY (shard, fact_seq, channel);
CREATE INDEX notice_unsent ON notice (recorded_at) WHERE sent_at IS NULL;
