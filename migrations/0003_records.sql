-- Up Migration

CREATE TABLE saga (
  shard text COLLATE "C" NOT NULL,
  id text COLLATE "C" NOT NULL,
  account text COLLATE "C" NOT NULL,
  instrument text COLLATE "C",
  state text NOT NULL,
  stage integer NOT NULL CHECK (stage BETWEEN 0 AND 7),
  step integer NOT NULL CHECK (step >= 0),
  started_at bigint NOT NULL,
  ended boolean NOT NULL,
  body jsonb,
  changed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (shard, id)
) WITH (fillfactor = 70);
CREATE INDEX saga_open ON saga (shard, id) WHERE NOT ended;
CREATE INDEX saga_account ON saga (account, started_at);
CREATE INDEX saga_recent ON saga (shard, started_at);

-- A saga's steps are counted up and what has ended stays ended.
CREATE TRIGGER saga_monotone BEFORE UPDATE ON saga FOR EACH ROW
  WHEN (NEW.step < OLD.step OR (OLD.ended AND NOT NEW.ended)) EXECUTE FUNCTION refuse_falling();

-- What the outside should do. Open while `answered_seq` is null; attempts are counted by whoever sends it.
CREATE TABLE effect (
  shard text COLLATE "C" NOT NULL REFERENCES shard,
  id text COLLATE "C" NOT NULL,
  kind text NOT NULL CHECK (kind IN ('block', 'close', 'cancel', 'resume', 'withdraw')),
  saga text COLLATE "C",
  account text COLLATE "C",
  instrument text COLLATE "C",
  body jsonb NOT NULL,
  opened_seq bigint NOT NULL,
  opened_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  attempts integer NOT NULL DEFAULT 0 CHECK (attempts >= 0),
  last_sent_at timestamptz,
  answered_seq bigint,
  answered_at timestamptz,
  PRIMARY KEY (shard, id),
  CHECK ((answered_seq IS NULL) = (answered_at IS NULL)),
  CHECK (answered_seq >= opened_seq)
) WITH (fillfactor = 60);
CREATE INDEX effect_open ON effect (opened_at) WHERE answered_seq IS NULL;
CREATE INDEX effect_answered ON effect USING brin (answered_at);

-- Everything that became true, but fills, which the journal and the ledger hold.
CREATE TABLE fact (
  shard text COLLATE "C" NOT NULL,
  seq bigint NOT NULL CHECK (seq > 0),
  t bigint NOT NULL,
  fact text COLLATE "C" NOT NULL,
  account text COLLATE "C",
  body jsonb NOT NULL,
  PRIMARY KEY (shard, seq)
) PARTITION BY RANGE (seq);
CREATE INDEX fact_account ON fact (account, seq) WHERE account IS NOT NULL;
CREATE INDEX fact_saga ON fact ((body ->> 'saga')) WHERE body ? 'saga';
CREATE TRIGGER fact_final BEFORE UPDATE OR DELETE OR TRUNCATE ON fact
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE TABLE halt (
  shard text COLLATE "C" NOT NULL,
  scope text NOT NULL CHECK (scope IN ('global', 'instrument', 'account', 'entity')),
  id text COLLATE "C",
  state text NOT NULL CHECK (state IN ('normal', 'reduce_only', 'no_new_orders', 'cancel_all', 'paused')),
  reason text NOT NULL,
  manual boolean NOT NULL,
  since bigint NOT NULL,
  until bigint,
  CHECK ((scope = 'global') = (id IS NULL))
);
CREATE INDEX halt_scope ON halt (shard, scope, id);

CREATE TABLE rule_version (
  shard text COLLATE "C" NOT NULL,
  version bigint NOT NULL CHECK (version >= 0),
  t bigint NOT NULL,
  document jsonb NOT NULL,
  committed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (shard, version)
);
CREATE TRIGGER rule_version_final BEFORE UPDATE OR DELETE OR TRUNCATE ON rule_version
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- What was refused at a border, with the evidence.
CREATE TABLE dead_letter (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  shard text COLLATE "C",
  border text NOT NULL,
  code text NOT NULL,
  what text NOT NULL,
  subject text,
  log_seq bigint,
  source text,
  source_seq bigint,
  payload bytea NOT NULL CHECK (octet_length(payload) <= 2097152),
  recorded_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX dead_letter_recorded ON dead_letter USING brin (recorded_at);

-- The whole state of a shard's engine after an entry, in parts; the newest three are kept.
CREATE TABLE snapshot (
  shard text COLLATE "C" NOT NULL REFERENCES shard,
  entry bigint NOT NULL CHECK (entry >= 0),
  seq bigint NOT NULL,
  fact_seq bigint NOT NULL,
  chain_hash sha256 NOT NULL,
  state_hash sha256 NOT NULL,
  format text NOT NULL,
  size bigint NOT NULL CHECK (size >= 0),
  sha256 sha256 NOT NULL,
  saved_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (shard, entry)
);
CREATE TABLE snapshot_part (
  shard text COLLATE "C" NOT NULL,
  entry bigint NOT NULL,
  part integer NOT NULL CHECK (part >= 0),
  bytes bytea NOT NULL,
  PRIMARY KEY (shard, entry, part),
  FOREIGN KEY (shard, entry) REFERENCES snapshot ON DELETE CASCADE
);
ALTER TABLE snapshot_part ALTER bytes SET STORAGE EXTERNAL;

-- Down Migration

DROP TABLE snapshot_part, snapshot, dead_letter, rule_version, halt, fact, effect, saga;
