import type { CommandRow } from "#libs/adapters/postgres/index.ts";
import type { CommandState, CommandView, Operation } from "#libs/contracts/api/commands.ts";

/** A command as it is shown. */
export const viewOf = (row: CommandRow): CommandView => ({
  id: row.id,
  operation: row.operation as Operation,
  payload: row.payload,
  payloadHash: row.payloadHash,
  reason: row.reason,
  ticket: row.ticket,
  state: row.state as CommandState,
  secondPerson: row.secondPerson,
  why: row.why,
  proposer: row.proposer,
  approver: row.approver,
  createdAt: row.createdAt,
  expiresAt: row.expiresAt,
  decidedAt: row.decidedAt,
  dryRun: row.dryRun,
  urgent: row.urgent,
  entries: row.entries.map(({ shard, sourceSeq }) => ({ shard, sourceSeq })),
  facts: row.facts.map(({ shard, logSeq, facts }) => ({ shard, logSeq, facts: [...facts] })),
});
