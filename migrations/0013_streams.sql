-- Up Migration

-- A seventh role, for the streams: it replays the journal, and knows who may log in. It changes nothing.
DO $$
BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'plimsoll_streams') THEN CREATE ROLE plimsoll_streams NOLOGIN; END IF;
EXCEPTION
  WHEN duplicate_object OR unique_violation THEN NULL;
  WHEN insufficient_privilege THEN RAISE NOTICE 'role plimsoll_streams is to be created by an administrator';
END $$;

DO $$
BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'plimsoll_streams') THEN
    RAISE NOTICE 'role plimsoll_streams is missing: nothing is granted';
    RETURN;
  END IF;
  GRANT USAGE ON SCHEMA public TO plimsoll_streams;
  GRANT SELECT ON shard, journal, fact, snapshot, snapshot_part, plimsoll_migration TO plimsoll_streams;
END $$;

-- Down Migration

DO $$
BEGIN
  IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'plimsoll_streams') THEN
    REVOKE ALL ON ALL TABLES IN SCHEMA public FROM plimsoll_streams;
    REVOKE ALL ON ALL FUNCTIONS IN SCHEMA public FROM plimsoll_streams;
    REVOKE USAGE ON SCHEMA public FROM plimsoll_streams;
  END IF;
END $$;
