-- Up Migration

-- Money, contracts, prices: finite (NaN is above every bound), never rounded in silence, as many digits as any border lets in.
CREATE DOMAIN amount AS numeric
  CONSTRAINT amount_finite CHECK (VALUE > -1e40 AND VALUE < 1e40)
  CONSTRAINT amount_decimals CHECK (scale(VALUE) <= 18);

CREATE DOMAIN sha256 AS bytea CONSTRAINT sha256_length CHECK (octet_length(VALUE) = 32);

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION '% on % is refused: its rows are never changed', TG_OP, TG_TABLE_NAME USING ERRCODE = 'PL003';
END $$;

CREATE FUNCTION refuse_falling() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'numbers of % never fall', TG_TABLE_NAME USING ERRCODE = 'PL004';
END $$;

-- The fenced row of a shard: whoever commits must know the epoch and the position that it moves on from.
CREATE TABLE shard (
  id text COLLATE "C" PRIMARY KEY CHECK (id ~ '^[A-Za-z0-9_-]{1,64}$'),
  epoch bigint NOT NULL DEFAULT 0 CHECK (epoch >= 0),
  owner text,
  lease_until timestamptz NOT NULL DEFAULT '-infinity',
  lease_ms integer NOT NULL DEFAULT 1000 CHECK (lease_ms BETWEEN 1 AND 600000),
  applied_seq bigint NOT NULL DEFAULT 0 CHECK (applied_seq >= 0),
  entries bigint NOT NULL DEFAULT 0 CHECK (entries >= 0),
  fact_seq bigint NOT NULL DEFAULT 0 CHECK (fact_seq >= 0),
  prev_hash sha256 NOT NULL DEFAULT decode(repeat('00', 32), 'hex'),
  chain_hash sha256 NOT NULL DEFAULT decode(repeat('00', 32), 'hex'),
  stream_created text,
  last_message_hash sha256,
  rule_version bigint NOT NULL DEFAULT 0,
  log_time bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 40);

CREATE TRIGGER shard_monotone BEFORE UPDATE ON shard FOR EACH ROW
  WHEN (NEW.epoch < OLD.epoch OR NEW.applied_seq < OLD.applied_seq OR NEW.entries < OLD.entries
    OR NEW.fact_seq < OLD.fact_seq OR NEW.log_time < OLD.log_time)
  EXECUTE FUNCTION refuse_falling();
CREATE TRIGGER shard_stays BEFORE DELETE OR TRUNCATE ON shard FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- Leadership of what is not a shard: prices, liquidation, schedules.
CREATE TABLE lease (
  name text COLLATE "C" PRIMARY KEY,
  owner text,
  epoch bigint NOT NULL CHECK (epoch > 0),
  lease_until timestamptz NOT NULL
) WITH (fillfactor = 40);

CREATE TRIGGER lease_monotone BEFORE UPDATE ON lease FOR EACH ROW
  WHEN (NEW.epoch < OLD.epoch) EXECUTE FUNCTION refuse_falling();

-- Last number of each producer whose entry is committed.
CREATE TABLE source_seq (
  shard text COLLATE "C" NOT NULL REFERENCES shard,
  source text COLLATE "C" NOT NULL,
  seq bigint NOT NULL CHECK (seq >= 0),
  PRIMARY KEY (shard, source)
) WITH (fillfactor = 40);

CREATE TRIGGER source_seq_monotone BEFORE UPDATE ON source_seq FOR EACH ROW
  WHEN (NEW.seq < OLD.seq) EXECUTE FUNCTION refuse_falling();

-- One row per committed batch; entries and facts are deflated NDJSON. Partitions: see 0005.
CREATE TABLE journal (
  shard text COLLATE "C" NOT NULL,
  first_entry bigint NOT NULL CHECK (first_entry > 0),
  last_entry bigint NOT NULL,
  from_seq bigint NOT NULL,
  to_seq bigint NOT NULL,
  epoch bigint NOT NULL,
  fact_seq bigint NOT NULL,
  prev_hash sha256 NOT NULL,
  chain_hash sha256 NOT NULL,
  t bigint NOT NULL,
  committed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  entries bytea NOT NULL,
  facts bytea NOT NULL,
  PRIMARY KEY (shard, first_entry, to_seq),
  CHECK (last_entry - first_entry BETWEEN -1 AND 4999),
  CHECK (to_seq >= from_seq)
) PARTITION BY RANGE (first_entry);
ALTER TABLE journal ALTER entries SET STORAGE EXTERNAL, ALTER facts SET STORAGE EXTERNAL;

-- Down Migration

DROP TABLE journal, source_seq, lease, shard;
DROP FUNCTION refuse_falling(), refuse_change();
DROP DOMAIN sha256, amount;
