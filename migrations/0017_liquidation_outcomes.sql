-- Up Migration

-- The ends of liquidations, newest first over all shards, or of one account: few among all facts.
CREATE INDEX fact_liquidation_ended ON fact (t, shard, seq) WHERE fact = 'liquidation.ended';
CREATE INDEX fact_liquidation_ended_account ON fact (account, t, shard, seq) WHERE fact = 'liquidation.ended';
-- Those that run, newest first over all shards.
CREATE INDEX saga_running ON saga (started_at, shard, id) WHERE NOT ended;

-- Down Migration

DROP INDEX saga_running, fact_liquidation_ended_account, fact_liquidation_ended;
