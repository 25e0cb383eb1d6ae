-- Up Migration

-- Each process reads and writes what its work needs. A sixth role, for the API: it reads everything, and gives orders by the
-- outbox alone. The matching engine has no business here at all.
DO $$
BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'plimsoll_api') THEN CREATE ROLE plimsoll_api NOLOGIN; END IF;
EXCEPTION
  WHEN duplicate_object OR unique_violation THEN NULL;
  WHEN insufficient_privilege THEN RAISE NOTICE 'role plimsoll_api is to be created by an administrator';
END $$;

REVOKE CREATE ON SCHEMA public FROM PUBLIC;

-- Who numbers entries in whose name, and who holds which lease, is decided by row: a process that goes astray cannot speak as
-- an operator by an outbox that another one publishes. The owner is not bound by this.
ALTER TABLE entry_outbox ENABLE ROW LEVEL SECURITY;
ALTER TABLE source_counter ENABLE ROW LEVEL SECURITY;
ALTER TABLE lease ENABLE ROW LEVEL SECURITY;
ALTER TABLE mark_state ENABLE ROW LEVEL SECURITY;
ALTER TABLE notice ENABLE ROW LEVEL SECURITY;

DO $$
DECLARE
  line text;
  name text;
  own record;
  processes text := 'plimsoll_margin, plimsoll_liquidation, plimsoll_scheduler, plimsoll_mark_price';
  readers text := 'plimsoll_api, plimsoll_readonly';
BEGIN
  IF (SELECT count(*) FROM pg_roles WHERE rolname = ANY (string_to_array(processes || ', ' || readers, ', '))) < 6 THEN
    RAISE NOTICE 'roles are missing: nothing is granted';
    RETURN;
  END IF;
  -- What was granted before, on these tables and on the partitions that stood then.
  FOR name IN SELECT oid::regclass::text FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')
    AND (relispartition OR relname = ANY (ARRAY['shard', 'lease', 'source_seq', 'journal', 'ledger_transaction', 'ledger_leg',
    'balance', 'position', 'ledger_checkpoint', 'ledger_checkpoint_sum', 'saga', 'effect', 'fact', 'halt', 'rule_version',
    'dead_letter', 'snapshot', 'snapshot_part', 'source_counter', 'entry_outbox', 'mark_state', 'mark_input', 'gate_decision',
    'reconciliation', 'notice', 'fact_cursor', 'provider_call', 'audit', 'audit_head']))
  LOOP
    EXECUTE format('REVOKE ALL ON %s FROM ' || processes || ', ' || readers, name);
    IF name !~ '_[dp][0-9]+$' THEN EXECUTE format('GRANT SELECT ON %s TO ' || readers, name); END IF;
  END LOOP;
  FOREACH line IN ARRAY ARRAY[
    'GRANT USAGE ON SCHEMA public TO plimsoll_api',
    'GRANT SELECT ON plimsoll_migration TO ' || processes || ', ' || readers,
    'REVOKE EXECUTE ON FUNCTION commit_batch, commit_records, commit_rarities, enqueue_entry, advance_ledger_checkpoint,
      ledger_differences, droppable_before FROM PUBLIC',

    'GRANT EXECUTE ON FUNCTION commit_batch, commit_records, commit_rarities TO plimsoll_margin',
    'GRANT SELECT ON shard, source_seq, journal, balance, position, saga, effect, halt, rule_version, snapshot, snapshot_part,
      entry_outbox TO plimsoll_margin',
    'GRANT INSERT, UPDATE ON shard, source_seq, balance, position, saga TO plimsoll_margin',
    'GRANT INSERT ON journal, ledger_transaction, ledger_leg, fact, rule_version, dead_letter, effect, halt, gate_decision,
      snapshot, snapshot_part TO plimsoll_margin',
    'GRANT DELETE ON position, halt, snapshot TO plimsoll_margin',
    'GRANT UPDATE (answered_seq, answered_at) ON effect TO plimsoll_margin',

    'GRANT EXECUTE ON FUNCTION enqueue_entry TO plimsoll_liquidation, plimsoll_scheduler, plimsoll_api',
    'GRANT SELECT, INSERT ON entry_outbox TO plimsoll_liquidation, plimsoll_scheduler, plimsoll_api',
    'GRANT UPDATE (published_at, log_seq) ON entry_outbox TO plimsoll_liquidation, plimsoll_scheduler',
    'GRANT SELECT, INSERT, UPDATE ON source_counter TO plimsoll_liquidation, plimsoll_scheduler, plimsoll_api',
    'GRANT SELECT, INSERT, UPDATE ON lease TO plimsoll_liquidation, plimsoll_scheduler, plimsoll_mark_price',
    'GRANT SELECT, INSERT, UPDATE ON mark_state TO plimsoll_scheduler, plimsoll_mark_price',

    'GRANT SELECT ON shard, effect, saga, fact, rule_version TO plimsoll_liquidation',
    'GRANT UPDATE (attempts, last_sent_at) ON effect TO plimsoll_liquidation',
    'GRANT SELECT, INSERT, UPDATE ON notice, fact_cursor, provider_call TO plimsoll_liquidation',

    'GRANT EXECUTE ON FUNCTION advance_ledger_checkpoint, ledger_differences, droppable_before TO plimsoll_scheduler',
    'GRANT SELECT ON shard, source_seq, ledger_leg, ledger_checkpoint, ledger_checkpoint_sum, balance, position, effect, fact, snapshot,
      rule_version, dead_letter TO plimsoll_scheduler',
    'GRANT INSERT, UPDATE ON ledger_checkpoint, ledger_checkpoint_sum TO plimsoll_scheduler',
    'GRANT SELECT, INSERT, UPDATE ON fact_cursor TO plimsoll_scheduler',
    'GRANT SELECT, INSERT, DELETE ON notice TO plimsoll_scheduler',
    'GRANT INSERT ON notice TO plimsoll_margin, plimsoll_mark_price',
    'GRANT SELECT, INSERT ON reconciliation TO plimsoll_margin, plimsoll_scheduler',
    'GRANT SELECT, DELETE ON provider_call TO plimsoll_scheduler',
    'GRANT DELETE ON entry_outbox, effect, reconciliation, dead_letter TO plimsoll_scheduler',

    'GRANT SELECT ON shard, source_seq, rule_version TO plimsoll_mark_price',
    'GRANT INSERT ON mark_input TO plimsoll_mark_price',

    'GRANT INSERT ON audit TO plimsoll_api, plimsoll_liquidation',
    'GRANT SELECT (seq, hash) ON audit TO plimsoll_liquidation',
    'GRANT EXECUTE ON FUNCTION ledger_differences TO ' || readers
  ] LOOP EXECUTE line; END LOOP;

  FOREACH name IN ARRAY ARRAY['entry_outbox', 'source_counter', 'lease', 'mark_state', 'notice'] LOOP
    EXECUTE format('CREATE POLICY everybody_reads ON %I FOR SELECT USING (true)', name);
  END LOOP;
  FOR own IN SELECT * FROM (VALUES
    ('liquidation', 'liquidation'), ('scheduler', 'scheduler'), ('api', 'operator')) AS row (process, source)
  LOOP
    EXECUTE format('CREATE POLICY %I ON entry_outbox FOR INSERT TO %I WITH CHECK (source = %L)',
      own.process || '_adds', 'plimsoll_' || own.process, own.source);
    EXECUTE format('CREATE POLICY %I ON source_counter TO %I USING (source = %L)',
      own.process || '_counts', 'plimsoll_' || own.process, own.source);
  END LOOP;
  CREATE POLICY liquidation_publishes ON entry_outbox FOR UPDATE TO plimsoll_liquidation USING (source = 'liquidation');
  CREATE POLICY scheduler_publishes ON entry_outbox FOR UPDATE TO plimsoll_scheduler USING (source IN ('scheduler', 'operator'));
  CREATE POLICY scheduler_prunes ON entry_outbox FOR DELETE TO plimsoll_scheduler USING (published_at IS NOT NULL);
  -- Everybody may call a person; what is told of facts is one process's to say.
  CREATE POLICY liquidation_tells ON notice TO plimsoll_liquidation USING (true);
  CREATE POLICY everybody_alarms ON notice FOR INSERT TO plimsoll_margin, plimsoll_scheduler, plimsoll_mark_price
    WITH CHECK (channel = 'operator');
  CREATE POLICY scheduler_forgets ON notice FOR DELETE TO plimsoll_scheduler USING (true);
  CREATE POLICY liquidation_leads ON lease TO plimsoll_liquidation USING (name = 'liquidation');
  CREATE POLICY scheduler_leads ON lease TO plimsoll_scheduler USING (name = 'scheduler');
  CREATE POLICY mark_price_leads ON lease TO plimsoll_mark_price USING (name IN ('mark-price', 'mark-price-windows'));
  CREATE POLICY scheduler_keeps ON mark_state TO plimsoll_scheduler USING (name = 'scheduler');
  CREATE POLICY mark_price_keeps ON mark_state TO plimsoll_mark_price USING (name IN ('mark-price', 'mark-price-windows'));
END $$;

-- Down Migration

DO $$
DECLARE policy record;
BEGIN
  FOR policy IN SELECT polname, polrelid::regclass AS of FROM pg_policy
    WHERE polrelid = ANY (ARRAY['entry_outbox', 'source_counter', 'lease', 'mark_state', 'notice']::regclass[])
  LOOP EXECUTE format('DROP POLICY %I ON %s', policy.polname, policy.of); END LOOP;
  IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'plimsoll_api') THEN
    REVOKE ALL ON ALL TABLES IN SCHEMA public FROM plimsoll_api;
    REVOKE ALL ON ALL FUNCTIONS IN SCHEMA public FROM plimsoll_api;
    REVOKE USAGE ON SCHEMA public FROM plimsoll_api;
  END IF;
END $$;
ALTER TABLE entry_outbox DISABLE ROW LEVEL SECURITY;
ALTER TABLE source_counter DISABLE ROW LEVEL SECURITY;
ALTER TABLE lease DISABLE ROW LEVEL SECURITY;
ALTER TABLE mark_state DISABLE ROW LEVEL SECURITY;
ALTER TABLE notice DISABLE ROW LEVEL SECURITY;
GRANT EXECUTE ON FUNCTION commit_batch, commit_records, commit_rarities, enqueue_entry, advance_ledger_checkpoint,
  ledger_differences, droppable_before TO PUBLIC;
