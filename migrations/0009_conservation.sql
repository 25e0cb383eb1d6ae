-- Up Migration

CREATE INDEX reconciliation_last ON reconciliation (shard, kind, id);

-- What the tables and the checkpoints of these shards say together, in one snapshot. First a row with the number of comparisons.
-- `standing`: true of an open `clearing`, which is a difference only where it lasts, because shards are not at the same trade.
CREATE FUNCTION conservation_differences(p_shards text[], p_limit integer)
RETURNS TABLE (compared bigint, standing boolean, what text) LANGUAGE sql STABLE AS $$
  WITH sums AS (SELECT * FROM ledger_checkpoint_sum WHERE shard = ANY (p_shards)),
  settled AS (SELECT DISTINCT instrument, asset FROM sums WHERE leg IN ('cost', 'margin')),
  held AS (
    SELECT coalesce(settled.asset, '?') AS asset, position.instrument, account, qty, cost, margin
    FROM position LEFT JOIN settled ON settled.instrument = position.instrument WHERE shard = ANY (p_shards)
  ),
  worth AS (
    SELECT asset, amount FROM balance WHERE shard = ANY (p_shards)
    UNION ALL SELECT asset, margin - cost FROM held WHERE margin <> 0 OR cost <> 0
    UNION ALL SELECT asset, amount FROM sums WHERE leg IN ('accrued', 'external')
  ),
  totals AS (SELECT asset, sum(amount) AS total FROM worth GROUP BY asset),
  dust AS (SELECT asset, sum(legs) * 1e-18 AS most FROM sums WHERE account = 'rounding' GROUP BY asset),
  contracts AS (SELECT instrument, sum(qty) AS total FROM held GROUP BY instrument),
  clearing AS (
    SELECT instrument AS id, 'contracts of ' || instrument AS what, sum(qty) AS total FROM held WHERE account = 'clearing' GROUP BY instrument
    UNION ALL SELECT asset, asset, sum(amount) FROM sums WHERE account = 'clearing' GROUP BY asset
  ),
  differing AS (
    SELECT false AS standing, format('%s: all shards hold %s more than was deposited less withdrawn', totals.asset, trim_scale(total)) AS what
      FROM totals LEFT JOIN dust ON dust.asset = totals.asset WHERE abs(total) > coalesce(dust.most, 0)
    UNION ALL SELECT false, format('%s: long and short contracts of all shards differ by %s', instrument, trim_scale(total))
      FROM contracts WHERE total <> 0
    UNION ALL SELECT true, format('clearing holds %s %s over all shards', trim_scale(total), clearing.what) FROM clearing WHERE total <> 0
  )
  SELECT (SELECT count(*) FROM totals) + (SELECT count(*) FROM contracts) + (SELECT count(*) FROM clearing), false, NULL::text
  UNION ALL (SELECT 0, differing.standing, differing.what FROM differing ORDER BY 3 LIMIT p_limit)
$$;

-- The scheduler keeps its plan there, under the lease of its own name.
DO $$
BEGIN
  IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'plimsoll_scheduler') THEN
    GRANT INSERT, UPDATE ON mark_state TO plimsoll_scheduler;
  END IF;
END $$;

-- Down Migration

DROP FUNCTION conservation_differences(text[], integer);
DROP INDEX reconciliation_last;
