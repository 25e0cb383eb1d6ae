/** The gate: pre-trade checks on the book of one engine with an overlay of reservations beside it. */
export { type Bounded, type RefusalCode, refusalCodes } from "#libs/domain/pre-trade/codes.ts";
export type { GateMode } from "./checks.ts";
export type { OrderAsked } from "./wanted.ts";
export { Gate } from "./gate.ts";
export type { GateOptions } from "./options.ts";
export type { GateAnswer, GateBatchAnswer, GateVerdict } from "./verdicts.ts";
export type { OverlaySnapshot, ReservationView } from "./overlay.ts";
export { type DecisionExplained, explainDecision } from "./explain.ts";
export { recheck } from "./recheck.ts";
export { type LimitUse, limitUse, type Utilisation, utilisation } from "./utilisation.ts";
export { velocityUse, type WindowSeen } from "./velocity-use.ts";
export type { MarginSummary, WhatIfAnswer } from "./what-if.ts";
