/** The deterministic risk engine of one shard. */
export type { InvariantReport, InvariantResult } from "./audit.ts";
export { type Applied, Engine, RulesRefused, SequenceGap } from "./engine.ts";
export { unsettledPayments } from "./funding.ts";
export { EntryRefused } from "./entries/usable.ts";
export type { MachineOptions } from "./machine.ts";
export { SnapshotRefused } from "./snapshot.ts";
