-- Up Migration

-- Entries or facts per partition: a quarter of an hour at ten thousand a second, half a year at one.
CREATE FUNCTION partition_size() RETURNS bigint LANGUAGE sql IMMUTABLE AS 'SELECT 10000000::bigint';

-- Attaching takes no lock that an insert waits for. The triggers guard the partition against statements that name it.
CREATE FUNCTION make_partition(p_parent text, p_name text, p_from text, p_to text) RETURNS integer LANGUAGE plpgsql AS $$
BEGIN
  IF to_regclass(p_name) IS NOT NULL THEN RETURN 0; END IF;
  EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING STORAGE)', p_name, p_parent);
  IF p_parent IN ('journal', 'ledger_transaction', 'ledger_leg', 'fact') THEN
    EXECUTE format('CREATE TRIGGER final BEFORE UPDATE OR DELETE OR TRUNCATE ON %I
      FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()', p_name);
  END IF;
  IF p_parent = 'ledger_leg' THEN
    EXECUTE format('CREATE TRIGGER balanced AFTER INSERT ON %I REFERENCING NEW TABLE AS added
      FOR EACH STATEMENT EXECUTE FUNCTION check_ledger_balanced()', p_name);
  END IF;
  EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', p_parent, p_name, p_from, p_to);
  RETURN 1;
END $$;

-- Runs as the owner, so that a leader that finds a partition missing can help itself.
CREATE FUNCTION ensure_partitions(p_ahead bigint) RETURNS integer LANGUAGE plpgsql SECURITY DEFINER
SET timezone = 'UTC' AS $$
DECLARE
  made integer := 0;
  size bigint := partition_size();
  want record;
  day date;
BEGIN
  IF p_ahead NOT BETWEEN 0 AND 1000000000 THEN RAISE EXCEPTION 'partitions ahead for % entries', p_ahead; END IF;
  PERFORM pg_advisory_xact_lock(hashtext('plimsoll partitions'));
  FOR want IN
    SELECT DISTINCT parent, number FROM (
      SELECT coalesce(max(entries), 0) AS entry, coalesce(max(fact_seq), 0) AS fact FROM shard
      UNION SELECT entries, fact_seq FROM shard
    ) AS place
    CROSS JOIN LATERAL (VALUES ('journal', entry), ('ledger_transaction', entry), ('ledger_leg', entry), ('fact', fact)) AS numbered (parent, at)
    CROSS JOIN LATERAL generate_series(at / size, (at + p_ahead) / size) AS number
    ORDER BY parent, number
  LOOP
    made := made + make_partition(want.parent, format('%s_p%s', want.parent, lpad(want.number::text, 6, '0')),
      (want.number * size)::text, ((want.number + 1) * size)::text);
  END LOOP;
  FOR day IN SELECT current_date + ahead FROM generate_series(0, 2) AS ahead LOOP
    made := made
      + make_partition('gate_decision', 'gate_decision_d' || to_char(day, 'YYYYMMDD'), day::text, (day + 1)::text)
      + make_partition('mark_input', 'mark_input_d' || to_char(day, 'YYYYMMDD'), day::text, (day + 1)::text);
  END LOOP;
  RETURN made;
END $$;

-- A start needs the journal after the oldest kept snapshot; a check of the ledger needs the legs after its checkpoint.
CREATE FUNCTION droppable_before(p_table text) RETURNS bigint LANGUAGE sql STABLE AS $$
  SELECT coalesce(min(CASE p_table
    WHEN 'journal' THEN coalesce((SELECT min(entry) FROM snapshot WHERE snapshot.shard = shard.id), 0)
    WHEN 'ledger' THEN coalesce((SELECT entry FROM ledger_checkpoint AS point WHERE point.shard = shard.id), 0)
    WHEN 'fact' THEN fact_seq END), 0)
  FROM shard WHERE entries > 0
$$;

CREATE FUNCTION drop_partitions_before(p_table text, p_before bigint) RETURNS SETOF text LANGUAGE plpgsql SECURITY DEFINER
SET lock_timeout = '2s' AS $$
DECLARE
  parents text[] := CASE p_table WHEN 'ledger' THEN ARRAY['ledger_transaction', 'ledger_leg'] ELSE ARRAY[p_table] END;
  bound bigint := least(p_before, droppable_before(p_table));
  child text;
BEGIN
  IF p_table NOT IN ('journal', 'ledger', 'fact') THEN RAISE EXCEPTION 'no partitions of % by number', p_table; END IF;
  FOR child IN
    SELECT inhrelid::regclass::text FROM pg_inherits
    WHERE inhparent = ANY (parents::regclass[])
      AND (substring(inhrelid::regclass::text FROM '\d+$')::bigint + 1) * partition_size() <= bound
  LOOP
    EXECUTE format('DROP TABLE %s', child);
    RETURN NEXT child;
  END LOOP;
END $$;

CREATE FUNCTION drop_days_before(p_table text, p_days integer) RETURNS SETOF text LANGUAGE plpgsql SECURITY DEFINER
SET timezone = 'UTC' SET lock_timeout = '2s' AS $$
DECLARE child text;
BEGIN
  IF p_table NOT IN ('gate_decision', 'mark_input') THEN RAISE EXCEPTION 'no partitions of % by day', p_table; END IF;
  IF p_days < 0 THEN RAISE EXCEPTION 'days ago, not %', p_days; END IF;
  FOR child IN
    SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = p_table::regclass
      AND to_date(substring(inhrelid::regclass::text FROM '\d+$'), 'YYYYMMDD') < current_date - p_days
  LOOP
    EXECUTE format('DROP TABLE %s', child);
    RETURN NEXT child;
  END LOOP;
END $$;

SELECT ensure_partitions(20000000);

-- Down Migration

DROP FUNCTION drop_days_before(text, integer), drop_partitions_before(text, bigint), droppable_before(text),
  ensure_partitions(bigint), make_partition(text, text, text, text), partition_size();
