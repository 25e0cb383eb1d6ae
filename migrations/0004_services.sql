-- Up Migration

-- Entries of producers that have no journal of their own: operator, schedules, liquidation. Numbered without gaps.
CREATE TABLE source_counter (
  source text COLLATE "C" NOT NULL,
  shard text COLLATE "C" NOT NULL,
  last bigint NOT NULL CHECK (last >= 0),
  PRIMARY KEY (source, shard)
) WITH (fillfactor = 40);
CREATE TRIGGER source_counter_monotone BEFORE UPDATE ON source_counter FOR EACH ROW
  WHEN (NEW.last < OLD.last) EXECUTE FUNCTION refuse_falling();

CREATE TABLE entry_outbox (
  source text COLLATE "C" NOT NULL,
  shard text COLLATE "C" NOT NULL,
  seq bigint NOT NULL CHECK (seq > 0),
  key text COLLATE "C" NOT NULL CHECK (length(key) BETWEEN 1 AND 200),
  body jsonb NOT NULL CHECK (jsonb_typeof(body -> 'k') = 'string'),
  t bigint NOT NULL CHECK (t >= 0),
  trace text,
  enqueued_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  published_at timestamptz,
  log_seq bigint,
  PRIMARY KEY (source, shard, seq),
  UNIQUE (source, shard, key)
) WITH (fillfactor = 70);
CREATE INDEX entry_outbox_pending ON entry_outbox (source, shard, seq) WHERE published_at IS NULL;

-- The counter's row is locked first: who waits for it then sees the entry that the same key may have got meanwhile.
CREATE FUNCTION enqueue_entry(p_source text, p_shard text, p_key text, p_body jsonb, p_t bigint, p_trace text)
RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE number bigint;
BEGIN
  SELECT seq INTO number FROM entry_outbox WHERE source = p_source AND shard = p_shard AND key = p_key;
  IF FOUND THEN RETURN number; END IF;
  INSERT INTO source_counter VALUES (p_source, p_shard, 0) ON CONFLICT DO NOTHING;
  PERFORM 1 FROM source_counter WHERE source = p_source AND shard = p_shard FOR UPDATE;
  SELECT seq INTO number FROM entry_outbox WHERE source = p_source AND shard = p_shard AND key = p_key;
  IF FOUND THEN RETURN number; END IF;
  UPDATE source_counter SET last = last + 1 WHERE source = p_source AND shard = p_shard RETURNING last INTO number;
  INSERT INTO entry_outbox (source, shard, seq, key, body, t, trace)
    VALUES (p_source, p_shard, number, p_key, p_body, p_t, p_trace);
  RETURN number;
END $$;

-- What a price process needs after a restart, written by the holder of the lease of that name.
CREATE TABLE mark_state (
  name text COLLATE "C" PRIMARY KEY,
  epoch bigint NOT NULL,
  version bigint NOT NULL,
  bytes bytea NOT NULL,
  saved_at timestamptz NOT NULL DEFAULT clock_timestamp()
) WITH (fillfactor = 50);
CREATE TRIGGER mark_state_monotone BEFORE UPDATE ON mark_state FOR EACH ROW
  WHEN (NEW.epoch < OLD.epoch OR NEW.version < OLD.version) EXECUTE FUNCTION refuse_falling();

-- Sources and ages behind each price of each frame, by day.
CREATE TABLE mark_input (
  recorded_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  source_seq bigint NOT NULL,
  t bigint NOT NULL,
  id text COLLATE "C" NOT NULL,
  price amount,
  quality text,
  input jsonb NOT NULL
) PARTITION BY RANGE (recorded_at);
CREATE INDEX mark_input_id ON mark_input (id, t);

-- Answers of the gate, by day.
CREATE TABLE gate_decision (
  recorded_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  shard text COLLATE "C" NOT NULL,
  request text COLLATE "C" NOT NULL,
  verb text NOT NULL,
  account text COLLATE "C" NOT NULL,
  accepted boolean NOT NULL,
  codes text,
  epoch bigint NOT NULL,
  applied_seq bigint NOT NULL,
  frame bigint NOT NULL,
  rule_version bigint NOT NULL,
  t bigint NOT NULL,
  body jsonb NOT NULL
) PARTITION BY RANGE (recorded_at);
CREATE INDEX gate_decision_request ON gate_decision (request);

CREATE TABLE reconciliation (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  shard text COLLATE "C" NOT NULL,
  kind text NOT NULL,
  applied_seq bigint NOT NULL,
  compared bigint NOT NULL,
  differing integer NOT NULL,
  differences jsonb NOT NULL,
  at timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- What was told to the outside: once per fact and channel.
CREATE TABLE notice (
  shard text COLLATE "C" NOT NULL,
  fact_seq bigint NOT NULL,
  channel text COLLATE "C" NOT NULL,
  account text COLLATE "C" NOT NULL,
  body jsonb NOT NULL,
  recorded_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  sent_at timestamptz,
  attempts integer NOT NULL DEFAULT 0,
  PRIMARY KEY (shard, fact_seq, channel)
) WITH (fillfactor = 70);
CREATE INDEX notice_unsent ON notice (recorded_at) WHERE sent_at IS NULL;

-- The record of privileged acts: each row's hash covers the one before.
CREATE TABLE audit (
  seq bigint PRIMARY KEY,
  at bigint NOT NULL,
  actor text NOT NULL,
  action text NOT NULL,
  detail text NOT NULL,
  prev_hash sha256 NOT NULL,
  hash sha256 NOT NULL
);
CREATE TABLE audit_head (
  only_one boolean PRIMARY KEY DEFAULT true CHECK (only_one),
  seq bigint NOT NULL,
  hash sha256 NOT NULL
);
INSERT INTO audit_head (seq, hash) VALUES (0, decode(repeat('00', 32), 'hex'));
CREATE TRIGGER audit_head_monotone BEFORE UPDATE ON audit_head FOR EACH ROW
  WHEN (NEW.seq <= OLD.seq) EXECUTE FUNCTION refuse_falling();

-- Number, time and hashes are the database's, whatever the insert says.
CREATE FUNCTION chain_audit() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE fields text;
BEGIN
  SELECT seq + 1, hash INTO STRICT NEW.seq, NEW.prev_hash FROM audit_head FOR UPDATE;
  NEW.at := (extract(epoch FROM clock_timestamp()) * 1000)::bigint;
  SELECT string_agg(octet_length(field) || ':' || field, '' ORDER BY place) INTO fields
    FROM unnest(ARRAY[NEW.seq::text, NEW.at::text, NEW.actor, NEW.action, NEW.detail])
      WITH ORDINALITY AS part (field, place);
  NEW.hash := sha256(NEW.prev_hash::bytea || convert_to(fields, 'UTF8'));
  UPDATE audit_head SET seq = NEW.seq, hash = NEW.hash;
  RETURN NEW;
END $$;

CREATE TRIGGER audit_chained BEFORE INSERT ON audit FOR EACH ROW EXECUTE FUNCTION chain_audit();
CREATE TRIGGER audit_final BEFORE UPDATE OR DELETE OR TRUNCATE ON audit
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- Down Migration

DROP TABLE audit_head, audit, notice, reconciliation, gate_decision, mark_input, mark_state, entry_outbox, source_counter;
DROP FUNCTION chain_audit(), enqueue_entry(text, text, text, jsonb, bigint, text);
