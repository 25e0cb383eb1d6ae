-- Up Migration

-- What a person has to look at, as it stands: one row for each condition, for as long as it holds and until somebody has seen it.
-- `revision` rises with every change; `published` is the one that was told to the streams last.
CREATE TABLE alert (
  id text COLLATE "C" PRIMARY KEY CHECK (id ~ '^[A-Za-z0-9_.:-]{1,200}$'),
  code text COLLATE "C" NOT NULL CHECK (code ~ '^[a-z0-9_]{1,64}$'),
  level text COLLATE "C" NOT NULL CHECK (level IN ('yellow', 'orange', 'red')),
  title text NOT NULL,
  grouped text NOT NULL,
  since timestamptz NOT NULL,
  until timestamptz CHECK (until >= since),
  count bigint NOT NULL DEFAULT 1 CHECK (count > 0),
  ack_by text,
  ack_at timestamptz,
  detail jsonb NOT NULL,
  told_level text COLLATE "C" CHECK (told_level IN ('yellow', 'orange', 'red')),
  told_at timestamptz,
  revision bigint NOT NULL DEFAULT 1,
  published bigint NOT NULL DEFAULT 0,
  CHECK ((ack_by IS NULL) = (ack_at IS NULL)),
  CHECK ((told_level IS NULL) = (told_at IS NULL))
) WITH (fillfactor = 70);
CREATE INDEX alert_unpublished ON alert (id) WHERE published < revision;
CREATE INDEX alert_until ON alert (until) WHERE until IS NOT NULL;

-- What is to be told by a channel, until the channel has taken it or it is given up.
CREATE TABLE alert_delivery (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  channel text COLLATE "C" NOT NULL CHECK (channel IN ('telegram', 'webhook')),
  body jsonb NOT NULL,
  recorded_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  attempts integer NOT NULL DEFAULT 0 CHECK (attempts >= 0),
  tried_at timestamptz,
  ended_at timestamptz,
  outcome text COLLATE "C" CHECK (outcome IN ('sent', 'given_up')),
  CHECK ((outcome IS NULL) = (ended_at IS NULL))
) WITH (fillfactor = 70);
CREATE INDEX alert_delivery_open ON alert_delivery (channel, id) WHERE outcome IS NULL;
CREATE INDEX alert_delivery_ended ON alert_delivery USING brin (ended_at);

DO $$
DECLARE name text;
BEGIN
  FOR name IN SELECT rolname FROM pg_roles WHERE rolname IN ('plimsoll_api', 'plimsoll_streams', 'plimsoll_readonly')
  LOOP EXECUTE format('GRANT SELECT ON alert, alert_delivery TO %I', name); END LOOP;
  IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'plimsoll_api') THEN
    GRANT UPDATE (ack_by, ack_at, revision) ON alert TO plimsoll_api;
  END IF;
  IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'plimsoll_scheduler') THEN
    GRANT SELECT, INSERT, UPDATE, DELETE ON alert, alert_delivery TO plimsoll_scheduler;
    GRANT SELECT ON halt TO plimsoll_scheduler;
  END IF;
END $$;

-- Down Migration

DROP TABLE alert_delivery, alert;
DO $$
BEGIN
  IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'plimsoll_scheduler') THEN REVOKE SELECT ON halt FROM plimsoll_scheduler; END IF;
END $$;
