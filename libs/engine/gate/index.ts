/** The gate: pre-trade checks on the book of one engine with an overlay of reservations beside it. */
export type { GateMode, OrderAsked } from "./checks.ts";
export { type Bounded, type RefusalCode, refusalCodes } from "./codes.ts";
export { Gate, type GateAnswer, type GateBatchAnswer, type GateOptions, type GateVerdict } from "./gate.ts";
export type { OverlaySnapshot, ReservationView } from "./overlay.ts";
export { recheck } from "./recheck.ts";
export type { MarginSummary, WhatIfAnswer } from "./what-if.ts";
