import type { Effect, OutcomeEntry } from "#libs/contracts/log.ts";
import { advance, type SagaEvent, type SagaState } from "#libs/domain/liquidation/saga.ts";
import { ratioAtMost } from "#libs/domain/liquidation/order-of-pools.ts";
import { cancelOrders } from "../resting-orders.ts";
import { liquidationReceipt } from "../receipts.ts";
import type { Machine } from "../machine.ts";
import { liquidationPermitted } from "../gates.ts";
import { recordLiquidationStart } from "../breaker-windows.ts";
import { deleverage } from "./deleveraging.ts";
import { endSaga } from "./ending.ts";
import { afterSlice, beginStage, continueAtAnyPrice, continueFull, continueFundBacked } from "./full.ts";
import { freezeBankruptcyPrices, poolHealth, positionsOf, verdict } from "./judgement.ts";
import type { StageResult } from "./orders.ts";
import { beginPass, continuePartial } from "./partial.ts";
import { offerToProviders } from "./providers.ts";
import { newSaga, type Saga, stageOfState } from "./saga.ts";
import { bookLateFills, rememberClose } from "./answered.ts";
import { settleFills } from "./settlement.ts";

/** Stage 1: a pool at or below the first threshold is locked; everything else waits until the venue has confirmed it. */
export function startSaga(machine: Machine, pool: number, heldSince: number): void {
  const { book } = machine;
  const account = book.poolAccount(pool);
  const slot = machine.nextSagaSlot;
  machine.nextSagaSlot += 1;
  const view = book.poolView(pool);
  const health = poolHealth(machine, view);
  const ratio = health.mm.isZero() ? null : health.maintenanceEquity.dividedBy(health.mm).toStringDown();
  const seq = machine.fact("liquidation.started", {
    saga: `${machine.appliedSeq}-${slot}`,
    account: machine.accountName(account),
    instrument: machine.poolInstrument(pool),
    equity: health.maintenanceEquity.toStringDown(),
    mm: health.mm.toStringUp(),
    ratio,
  });
  const id = `${machine.appliedSeq}-${slot}`;
  const saga = newSaga({ slot, id, pool, account, startedSeq: seq, startedAt: machine.t, heldSince });
  if (machine.options.venue === "matching") saga.ratioAtStart = ratio;
  machine.sagas.set(slot, saga);
  machine.touched.saga(saga, machine.poolInstrument(pool));
  book.setSaga(pool, slot);
  machine.index.disarm(pool);
  liquidationReceipt(machine, seq, saga, health);
  recordLiquidationStart(machine);
  saga.step = 1;
  saga.effect = `${saga.id}-1`;
  machine.effect({
    id: saga.effect,
    effect: "block",
    saga: saga.id,
    account: machine.accountName(account),
    instrument: machine.poolInstrument(pool),
  });
}

/** What kind of outcome answers an effect. */
const outcomeOf = {
  block: "blocked",
  close: "closed",
  resume: "resumed",
  cancel: "none",
  withdraw: "withdrawn",
  cancel_all: "cancelled",
} as const;

/** The saga that waits for an effect. Ids of sagas end in their slot. */
function sagaWaitingFor(machine: Machine, effect: Effect | undefined): Saga | undefined {
  if (effect === undefined || !("saga" in effect)) return undefined;
  const saga = machine.sagas.get(Number(effect.saga.slice(effect.saga.lastIndexOf("-") + 1)));
  return saga?.effect === effect.id ? saga : undefined;
}

/** What became of an effect returns as an entry and moves its saga on; one that nobody waits for moves no saga and is reported. */
export function applyOutcome(machine: Machine, entry: OutcomeEntry): void {
  const open = machine.openEffects.get(entry.effect);
  const saga = sagaWaitingFor(machine, open);
  if (open === undefined || saga === undefined || outcomeOf[open.effect] !== entry.k) {
    const fills = entry.k === "closed" && entry.fills.length > 0 ? { fills: entry.fills } : {};
    machine.fact("outcome.ignored", { effect: entry.effect, kind: entry.k, ...fills });
    if (entry.k === "closed" && machine.options.venue === "matching") bookLateFills(machine, entry);
    return;
  }
  machine.touched.saga(saga, machine.poolInstrument(saga.pool));
  machine.effectDone(entry.effect);
  machine.effectDone(cancelId(entry.effect));
  saga.effect = null;
  saga.cancelling = false;
  if (entry.k === "blocked") {
    const row = machine.book.poolRow(saga.pool);
    cancelOrders(machine, saga.account, row < 0 ? null : machine.book.rowInstrument(row), "liquidation");
    machine.fact("account.blocked", {
      account: machine.accountName(saga.account),
      instrument: machine.poolInstrument(saga.pool),
    });
    judgeSaga(machine, saga);
  } else if (entry.k === "closed") {
    if (open.effect === "close") afterClose(machine, saga, open, entry);
  } else drive(machine, saga);
}

const cancelId = (effect: string): string => `${effect}-cancel`;

/** What a verdict asks for, where an order of stage 2 or 3 is working. */
const stateOfVerdict: Partial<Record<SagaEvent, SagaState>> = { thin: "partial", critical: "full" };

/** LIQ-27: an order that works while a new frame asks for another stage, or for none, is taken back; what had filled is booked. */
function askBack(machine: Machine, saga: Saga): void {
  const open = saga.effect === null ? undefined : machine.openEffects.get(saga.effect);
  if (open?.effect !== "close" || saga.cancelling || saga.frame === machine.frame) return;
  if (stateOfVerdict[verdict(machine, saga)] === saga.state) return;
  saga.cancelling = true;
  machine.effect({ id: cancelId(open.id), effect: "cancel", saga: saga.id, of: open.id });
}

function afterClose(
  machine: Machine,
  saga: Saga,
  order: Extract<Effect, { effect: "close" }>,
  entry: Extract<OutcomeEntry, { k: "closed" }>,
): void {
  const instrument = machine.book.instrumentIndex(order.instrument);
  const backed = saga.state === "fund-backed";
  if (machine.options.venue === "matching") rememberClose(machine, order, entry.fills);
  const terms = { takerFee: saga.state === "partial", backed };
  const closed = settleFills(machine, saga, { instrument, side: order.side }, entry.fills, terms);
  if (saga.frame !== machine.frame) return judgeSaga(machine, saga);
  // Nothing deep enough stood there: the saga waits for the next look at health, as the scope's state says.
  if (order.whenDeep && closed.isZero()) return;
  if (saga.state !== "partial") {
    afterSlice(machine, saga, instrument, closed, entry.exhausted);
    return drive(machine, saga);
  }
  saga.queue.shift();
  if (!closed.isZero()) saga.progressed = true;
  const { maintenanceEquity: equity, mm } = poolHealth(machine, machine.book.poolView(saga.pool));
  const { target, fullAt } = machine.rules.liquidation;
  const reached = !mm.isZero() && equity.atLeast(mm.times(target));
  if (reached || mm.isZero() || ratioAtMost({ equity, mm }, fullAt)) return judgeSaga(machine, saga);
  drive(machine, saga);
}

/** Judges a saga's pool on the present frame and goes where the table says (LIQ-02). */
export function judgeSaga(machine: Machine, saga: Saga): void {
  machine.touched.saga(saga, machine.poolInstrument(saga.pool));
  const event = verdict(machine, saga);
  // Doubtful prices forbid liquidating, never releasing.
  const holds = event !== "safe" && event !== "flat";
  if (holds && !liquidationPermitted(machine, machine.book.poolView(saga.pool), saga.heldSince)) return;
  freezeBankruptcyPrices(machine, saga);
  enter(machine, saga, event);
}

function enter(machine: Machine, saga: Saga, event: SagaEvent): void {
  const before = saga.state;
  saga.state = advance(before, event);
  if (saga.state === "partial") beginPass(machine, saga);
  else if (
    saga.state === "full" ||
    saga.state === "providers" ||
    saga.state === "fund-backed" ||
    saga.state === "deleveraging" ||
    saga.state === "bad-debt"
  )
    beginStage(machine, saga);
  if (saga.state !== before && saga.state !== "released" && saga.state !== "settling")
    machine.fact("liquidation.stage", {
      saga: saga.id,
      account: machine.accountName(saga.account),
      stage: stageOfState[saga.state],
      state: saga.state,
    });
  drive(machine, saga);
}

/** Carries a saga on until it waits for the venue, for the next look at health, or is over. */
function drive(machine: Machine, saga: Saga): void {
  machine.touched.saga(saga, machine.poolInstrument(saga.pool));
  switch (saga.state) {
    case "partial":
      return afterStage(machine, saga, continuePartial(machine, saga), endPass);
    case "full":
      return afterStage(machine, saga, continueFull(machine, saga), leaveStage);
    case "providers":
      return afterStage(machine, saga, offerToProviders(machine, saga), leaveStage);
    case "fund-backed":
      return afterStage(machine, saga, continueFundBacked(machine, saga), leaveStage);
    case "deleveraging":
      return afterStage(machine, saga, deleverage(machine, saga), leaveStage);
    case "bad-debt":
      return afterStage(machine, saga, continueAtAnyPrice(machine, saga), closeDown);
    case "settling":
    case "released":
      return endSaga(machine, saga);
    default:
  }
}

function afterStage(
  machine: Machine,
  saga: Saga,
  result: StageResult,
  done: (machine: Machine, saga: Saga) => void,
): void {
  if (result !== "waiting") done(machine, saga);
}

/** The end of a pass of stage 2: released, on to stage 3, another round, or another look at the next frame. */
function endPass(machine: Machine, saga: Saga): void {
  const event = verdict(machine, saga);
  if (event !== "thin") return enter(machine, saga, event);
  if (!saga.progressed || machine.options.roundsPerFrame === "one") return;
  freezeBankruptcyPrices(machine, saga);
  enter(machine, saga, "thin");
}

/** A stage that can do no more: flat, or on to the next stage with what is open. */
function leaveStage(machine: Machine, saga: Saga): void {
  const flat = positionsOf(machine.book.poolView(saga.pool)).length === 0;
  if (flat) return enter(machine, saga, "flat");
  enter(machine, saga, "exhausted");
}

/** Lots that even ADL left: closed at any price the book pays, or open until there is a book; the pool stays liquidating. */
function closeDown(machine: Machine, saga: Saga): void {
  if (positionsOf(machine.book.poolView(saga.pool)).length === 0) enter(machine, saga, "flat");
}

/** Sagas that wait for a look at health, worst pool first: each is judged again when there is a new frame or a new book. */
export function reviveSagas(machine: Machine): void {
  for (const saga of machine.sagas.values()) askBack(machine, saga);
  const waiting = [...machine.sagas.values()].filter((saga) => saga.effect === null);
  if (waiting.length === 0) return;
  waiting.sort((left, right) => machine.judge.compareRatios(left.pool, right.pool));
  for (const saga of waiting) {
    if (!machine.sagas.has(saga.slot) || saga.effect !== null) continue;
    if (saga.state === "locking") judgeSaga(machine, saga);
    else if (saga.deleveraging !== null) drive(machine, saga);
    else judgeSaga(machine, saga);
  }
}
