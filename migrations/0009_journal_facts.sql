-- Up Migration

-- The batch that holds a fact: where a new leader begins when the last facts were committed and not published.
CREATE INDEX journal_fact ON journal (shard, fact_seq, first_entry);

-- Down Migration

DROP INDEX journal_fact;
