-- Up Migration

-- Roles belong to the whole cluster: another database may make them at the same moment, and keeps them when this one goes.
DO $$
DECLARE name text;
BEGIN
  FOREACH name IN ARRAY ARRAY['plimsoll_margin', 'plimsoll_liquidation', 'plimsoll_scheduler', 'plimsoll_mark_price', 'plimsoll_readonly']
  LOOP
    BEGIN
      IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name) THEN EXECUTE format('CREATE ROLE %I NOLOGIN', name); END IF;
    EXCEPTION
      WHEN duplicate_object OR unique_violation THEN NULL;
      WHEN insufficient_privilege THEN RAISE NOTICE 'role % is to be created by an administrator', name;
    END;
  END LOOP;
END $$;

-- Nobody but the owner may UPDATE, DELETE or TRUNCATE the journal and the ledger, and triggers refuse it even to the owner.
DO $$
DECLARE
  line text;
  readers text := 'plimsoll_margin, plimsoll_liquidation, plimsoll_scheduler, plimsoll_mark_price, plimsoll_readonly';
  enqueuers text := 'plimsoll_liquidation, plimsoll_scheduler';
BEGIN
  IF (SELECT count(*) FROM pg_roles WHERE rolname = ANY (string_to_array(readers, ', '))) < 5 THEN
    RAISE NOTICE 'roles are missing: nothing is granted';
    RETURN;
  END IF;
  FOREACH line IN ARRAY ARRAY[
    'GRANT USAGE ON SCHEMA public TO ' || readers,
    'GRANT SELECT ON ALL TABLES IN SCHEMA public TO ' || readers,
    'REVOKE EXECUTE ON FUNCTION ensure_partitions(bigint), drop_partitions_before(text, bigint),
      drop_days_before(text, integer), make_partition(text, text, text, text), chain_audit() FROM PUBLIC',
    'GRANT EXECUTE ON FUNCTION ensure_partitions(bigint) TO plimsoll_margin, plimsoll_scheduler, plimsoll_mark_price',
    'GRANT EXECUTE ON FUNCTION drop_partitions_before(text, bigint), drop_days_before(text, integer) TO plimsoll_scheduler',
    'GRANT INSERT, UPDATE ON shard, source_seq, balance, position, saga TO plimsoll_margin',
    'GRANT INSERT ON journal, ledger_transaction, ledger_leg, fact, rule_version, dead_letter, effect, halt,
      gate_decision, reconciliation TO plimsoll_margin',
    'GRANT DELETE ON position, halt TO plimsoll_margin',
    'GRANT UPDATE (answered_seq, answered_at) ON effect TO plimsoll_margin',
    'GRANT INSERT, DELETE ON snapshot, snapshot_part TO plimsoll_margin',
    'GRANT INSERT, UPDATE ON lease TO plimsoll_liquidation, plimsoll_scheduler, plimsoll_mark_price',
    'GRANT UPDATE (attempts, last_sent_at) ON effect TO plimsoll_liquidation',
    'GRANT INSERT ON entry_outbox, dead_letter, reconciliation, audit TO ' || enqueuers,
    'GRANT UPDATE (published_at, log_seq) ON entry_outbox TO ' || enqueuers,
    'GRANT INSERT, UPDATE ON source_counter, notice TO ' || enqueuers,
    'GRANT INSERT, UPDATE ON ledger_checkpoint, ledger_checkpoint_sum TO ' || enqueuers,
    'GRANT DELETE ON entry_outbox, effect, notice, reconciliation, dead_letter TO plimsoll_scheduler',
    'GRANT INSERT, UPDATE ON mark_state TO plimsoll_mark_price',
    'GRANT INSERT ON mark_input, dead_letter TO plimsoll_mark_price'
  ] LOOP EXECUTE line; END LOOP;
END $$;

-- Down Migration

-- The grants go with the tables and the schema's own below; the roles stay for the cluster's other databases.
DO $$
DECLARE name text;
BEGIN
  FOR name IN SELECT rolname FROM pg_roles WHERE rolname IN
    ('plimsoll_margin', 'plimsoll_liquidation', 'plimsoll_scheduler', 'plimsoll_mark_price', 'plimsoll_readonly')
  LOOP
    EXECUTE format('REVOKE ALL ON ALL TABLES IN SCHEMA public FROM %I', name);
    EXECUTE format('REVOKE ALL ON ALL FUNCTIONS IN SCHEMA public FROM %I', name);
    EXECUTE format('REVOKE USAGE ON SCHEMA public FROM %I', name);
  END LOOP;
END $$;
