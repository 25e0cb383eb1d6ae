/** The deterministic risk engine of one shard. */
export type { InvariantReport, InvariantResult } from "./audit.ts";
export { breakerProgress, type Progress } from "./breaker-progress.ts";
export { dryRun } from "./dry-run.ts";
export { type Applied, Engine, RulesRefused, SequenceGap } from "./engine.ts";
export { unsettledPayments } from "./funding.ts";
export { EntryRefused } from "./entries/usable.ts";
export type { SessionLoss } from "./entries/session.ts";
export type { Machine, MachineOptions } from "./machine.ts";
export type { RiskyPool } from "./riskiest.ts";
export {
  type AccountRows,
  answeredEffects,
  haltRows,
  openSagaRows,
  rowsOfAccount,
  type SagaRow,
  sagaRows,
  touchedAccounts,
} from "./state-rows.ts";
export { SnapshotRefused } from "./snapshot.ts";
export {
  type DecisionExplained,
  explainDecision,
  Gate,
  type GateAnswer,
  type GateBatchAnswer,
  type GateMode,
  type GateOptions,
  type GateVerdict,
  type LimitUse,
  limitUse,
  type MarginSummary,
  type OverlaySnapshot,
  type RefusalCode,
  recheck,
  refusalCodes,
  type ReservationView,
  type Utilisation,
  utilisation,
  velocityUse,
  type WhatIfAnswer,
  type WindowSeen,
} from "./gate/index.ts";
