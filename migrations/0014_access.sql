-- Up Migration

-- API keys. Their secrets are derived from one of the deployment's, which the database never sees. A key is never changed but by
-- revoking it, and revoking is for ever.
CREATE TABLE api_key (
  id text COLLATE "C" PRIMARY KEY CHECK (id ~ '^[A-Za-z0-9_-]{1,64}$'),
  subject text COLLATE "C" NOT NULL CHECK (subject ~ '^[A-Za-z0-9_.@-]{1,64}$'),
  owner text COLLATE "C" CHECK (owner ~ '^[A-Za-z0-9_-]{1,64}$'),
  roles text[] NOT NULL CHECK (cardinality(roles) > 0 AND roles <@ ARRAY['trader', 'viewer', 'operator', 'officer', 'admin']),
  label text NOT NULL CHECK (length(label) <= 200),
  created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  expires_at timestamptz,
  revoked_at timestamptz,
  CONSTRAINT api_key_trader_has_owner CHECK ((owner IS NOT NULL) = ('trader' = ANY (roles)))
);
CREATE INDEX api_key_subject ON api_key (subject);

CREATE FUNCTION refuse_unrevoking() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'a key that was revoked stays so' USING ERRCODE = 'PL003';
END $$;
CREATE TRIGGER api_key_revoked_for_ever BEFORE UPDATE ON api_key FOR EACH ROW
  WHEN (OLD.revoked_at IS NOT NULL AND NEW.revoked_at IS DISTINCT FROM OLD.revoked_at) EXECUTE FUNCTION refuse_unrevoking();

-- Tokens that a person was issued before are worth nothing.
CREATE TABLE token_revocation (
  subject text COLLATE "C" PRIMARY KEY CHECK (subject ~ '^[A-Za-z0-9_.@-]{1,64}$'),
  revoked_before timestamptz NOT NULL
);
CREATE TRIGGER token_revocation_monotone BEFORE UPDATE ON token_revocation FOR EACH ROW
  WHEN (NEW.revoked_before < OLD.revoked_before) EXECUTE FUNCTION refuse_falling();

DO $$
DECLARE name text;
BEGIN
  FOR name IN SELECT rolname FROM pg_roles WHERE rolname IN ('plimsoll_api', 'plimsoll_streams', 'plimsoll_readonly')
  LOOP EXECUTE format('GRANT SELECT ON api_key, token_revocation TO %I', name); END LOOP;
  IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'plimsoll_api') THEN
    GRANT INSERT ON api_key TO plimsoll_api;
    GRANT UPDATE (revoked_at) ON api_key TO plimsoll_api;
    GRANT INSERT, UPDATE (revoked_before) ON token_revocation TO plimsoll_api;
  END IF;
END $$;

-- Down Migration

DROP TABLE api_key, token_revocation;
DROP FUNCTION refuse_unrevoking();
