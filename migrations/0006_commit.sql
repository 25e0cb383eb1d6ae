-- Up Migration

-- One batch in one statement: what the engine made true after `p_from`, all or nothing.
CREATE FUNCTION commit_batch(
  p_shard text, p_epoch bigint, p_from bigint, p_to bigint, p_first bigint, p_count bigint, p_fact_seq bigint,
  p_hash bytea, p_stream text, p_message_hash bytea, p_rule_version bigint, p_t bigint, p_entries bytea, p_facts bytea,
  tx_entry bigint[], tx_number integer[], tx_kind text[],
  leg_entry bigint[], leg_number integer[], leg_account text[], leg_asset text[], leg_kind text[], leg_instrument text[],
  leg_amount numeric[],
  held_account text[], held_asset text[], held_amount numeric[],
  pos_account text[], pos_instrument text[], pos_qty numeric[], pos_cost numeric[], pos_margin numeric[], pos_mode text[],
  pos_leverage numeric[], pos_epoch bigint[], gone_account text[], gone_instrument text[],
  fact_number bigint[], fact_t bigint[], fact_name text[], fact_account text[], fact_body text[],
  p_sagas jsonb, p_effects jsonb, p_answered jsonb, p_sources jsonb,
  p_halts jsonb, p_rules jsonb, p_letters jsonb, letter_payload bytea[]
) RETURNS text LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan AS $$
DECLARE
  previous bytea;
  held shard%ROWTYPE;
BEGIN
  UPDATE shard SET applied_seq = p_to, entries = entries + p_count, fact_seq = p_fact_seq,
      prev_hash = chain_hash, chain_hash = p_hash, stream_created = p_stream, last_message_hash = p_message_hash,
      rule_version = p_rule_version, log_time = p_t,
      lease_until = CASE WHEN owner IS NULL THEN lease_until ELSE clock_timestamp() + lease_ms * interval '1 ms' END
    WHERE id = p_shard AND epoch = p_epoch AND applied_seq = p_from AND entries = p_first - 1
    RETURNING prev_hash INTO previous;
  IF NOT FOUND THEN
    SELECT * INTO held FROM shard WHERE id = p_shard;
    IF held.epoch = p_epoch AND held.applied_seq = p_to AND held.entries = p_first - 1 + p_count
      AND held.chain_hash = p_hash THEN RETURN 'already'; END IF;
    RAISE EXCEPTION 'shard % is at epoch %, position %, entry %: a batch of epoch % after position %, entry %, is refused',
      p_shard, held.epoch, held.applied_seq, held.entries, p_epoch, p_from, p_first - 1 USING ERRCODE = 'PL001';
  END IF;

  IF p_count > 0 OR p_hash <> previous THEN
    INSERT INTO journal (shard, first_entry, last_entry, from_seq, to_seq, epoch, fact_seq, prev_hash, chain_hash, t, entries, facts)
      VALUES (p_shard, p_first, p_first + p_count - 1, p_from, p_to, p_epoch, p_fact_seq, previous, p_hash, p_t, p_entries, p_facts);
  END IF;

  INSERT INTO ledger_transaction (shard, entry, number, kind, t)
    SELECT p_shard, entry, number, kind, p_t FROM unnest(tx_entry, tx_number, tx_kind) AS row (entry, number, kind);
  INSERT INTO ledger_leg (shard, entry, number, account, asset, leg, instrument, amount)
    SELECT p_shard, * FROM unnest(leg_entry, leg_number, leg_account, leg_asset, leg_kind, leg_instrument, leg_amount);

  INSERT INTO balance (shard, account, asset, amount)
    SELECT p_shard, * FROM unnest(held_account, held_asset, held_amount)
    ON CONFLICT (shard, account, asset) DO UPDATE SET amount = excluded.amount;
  INSERT INTO position (shard, account, instrument, qty, cost, margin, mode, leverage, funding_epoch)
    SELECT p_shard, * FROM unnest(pos_account, pos_instrument, pos_qty, pos_cost, pos_margin, pos_mode, pos_leverage, pos_epoch)
    ON CONFLICT (shard, account, instrument) DO UPDATE SET qty = excluded.qty, cost = excluded.cost,
      margin = excluded.margin, mode = excluded.mode, leverage = excluded.leverage, funding_epoch = excluded.funding_epoch;
  IF cardinality(gone_account) > 0 THEN
    DELETE FROM position USING unnest(gone_account, gone_instrument) AS gone (account, instrument)
      WHERE position.shard = p_shard AND position.account = gone.account AND position.instrument = gone.instrument;
  END IF;

  IF cardinality(fact_number) > 0 THEN
    INSERT INTO fact (shard, seq, t, fact, account, body)
      SELECT p_shard, seq, t, fact, account, body::jsonb
      FROM unnest(fact_number, fact_t, fact_name, fact_account, fact_body) AS row (seq, t, fact, account, body);
  END IF;
  PERFORM commit_records(p_shard, p_to, p_sagas, p_effects, p_answered, p_sources);
  IF p_halts IS NOT NULL OR p_rules IS NOT NULL OR p_letters IS NOT NULL THEN
    PERFORM commit_rarities(p_shard, p_halts, p_rules, p_letters, letter_payload);
  END IF;
  RETURN 'committed';
END $$;

-- What accompanies liquidations, and the producers' numbers.
CREATE FUNCTION commit_records(p_shard text, p_to bigint, p_sagas jsonb, p_effects jsonb, p_answered jsonb, p_sources jsonb)
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  IF p_sources IS NOT NULL THEN
    INSERT INTO source_seq (shard, source, seq)
      SELECT p_shard, source, max(seq) FROM jsonb_to_recordset(p_sources) AS row (source text, seq bigint) GROUP BY source
      ON CONFLICT (shard, source) DO UPDATE SET seq = excluded.seq;
  END IF;
  IF p_sagas IS NOT NULL THEN
    INSERT INTO saga (shard, id, account, instrument, state, stage, step, started_at, ended, body)
      SELECT p_shard, id, account, instrument, state, stage, step, "startedAt", ended, body
      FROM jsonb_to_recordset(p_sagas) AS row (id text, account text, instrument text, state text, stage integer,
        step integer, "startedAt" bigint, ended boolean, body jsonb)
      ON CONFLICT (shard, id) DO UPDATE SET state = excluded.state, stage = excluded.stage, step = excluded.step,
        ended = excluded.ended, body = excluded.body, changed_at = excluded.changed_at;
  END IF;
  IF p_effects IS NOT NULL THEN
    INSERT INTO effect (shard, id, kind, saga, account, instrument, body, opened_seq)
      SELECT p_shard, one ->> 'id', one ->> 'effect', one ->> 'saga', one ->> 'account', one ->> 'instrument', one, p_to
      FROM jsonb_array_elements(p_effects) AS one;
  END IF;
  IF p_answered IS NOT NULL THEN
    UPDATE effect SET answered_seq = p_to, answered_at = clock_timestamp()
      WHERE shard = p_shard AND answered_seq IS NULL AND id IN (SELECT jsonb_array_elements_text(p_answered));
  END IF;
END $$;

CREATE FUNCTION commit_rarities(p_shard text, p_halts jsonb, p_rules jsonb, p_letters jsonb, letter_payload bytea[])
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  IF p_halts IS NOT NULL THEN
    DELETE FROM halt WHERE shard = p_shard;
    INSERT INTO halt (shard, scope, id, state, reason, manual, since, until)
      SELECT p_shard, scope, id, state, reason, manual, since, until
      FROM jsonb_to_recordset(p_halts) AS row (scope text, id text, state text, reason text, manual boolean, since bigint,
        until bigint);
  END IF;
  IF p_rules IS NOT NULL THEN
    INSERT INTO rule_version (shard, version, t, document)
      SELECT p_shard, version, t, document
      FROM jsonb_to_recordset(p_rules) AS row (version bigint, t bigint, document jsonb);
  END IF;
  IF p_letters IS NOT NULL THEN
    INSERT INTO dead_letter (shard, border, code, what, subject, log_seq, source, source_seq, payload)
      SELECT p_shard, letter ->> 'border', letter ->> 'code', letter ->> 'what', letter ->> 'subject',
        (letter ->> 'logSeq')::bigint, letter ->> 'source', (letter ->> 'sourceSeq')::bigint, letter_payload[place]
      FROM jsonb_array_elements(p_letters) WITH ORDINALITY AS row (letter, place);
  END IF;
END $$;

-- Down Migration

DROP FUNCTION commit_batch;
DROP FUNCTION commit_records;
DROP FUNCTION commit_rarities;
