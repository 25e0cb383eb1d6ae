import { liquidationPermitted } from "./gates.ts";
import type { Machine } from "./machine.ts";
import { convertDebts } from "./conversions.ts";
import { owesTooMuch } from "./debts.ts";
import { reviveSagas, startSaga } from "./sagas/drive.ts";

/** Rounds of one look: a conversion or a settlement may touch further pools, which are judged in the same look. */
const roundsMax = 64;

/**
 * The look at health that follows an entry: every pool that a factor popped or an entry touched is judged exactly; warnings are
 * given, bands armed anew, liquidations begun, worst pool first. Nothing else is looked at: that is what the index is for.
 */
export function lookAtHealth(machine: Machine, reviving: boolean): void {
  if (reviving) reviveSagas(machine);
  // What cannot be judged or may not be liquidated yet is looked at again after the next entry.
  const later: number[] = [];
  for (let round = 0; round < roundsMax && machine.pending.size > 0; round += 1) {
    convertLargeDebts(machine);
    const due = judgeAll(machine, machine.pending.take(), later);
    const now: number[] = [];
    for (const pool of due) (permittedNow(machine, pool) ? now : later).push(pool);
    now.sort((left, right) => machine.judge.compareRatios(left, right));
    for (const pool of now) if (!machine.liquidating(pool)) begin(machine, pool);
  }
  for (const pool of later) machine.pending.add(pool);
}

/**
 * COL-29: debts that have reached their share of equity are converted before health is judged, in order of account id. Those who
 * owe have a band for it in the trigger index, so whoever a price may have brought there is among the pending.
 */
function convertLargeDebts(machine: Machine): void {
  if (machine.rules.convertAt === null) return;
  const { book } = machine;
  for (const pool of machine.pending.list()) {
    const account = book.poolAccount(pool);
    if (book.poolRow(pool) >= 0 || account < 0 || book.isSystem(account) || machine.liquidating(pool)) continue;
    if (priced(machine, pool) && owesTooMuch(machine, account)) convertDebts(machine, account);
  }
}

/** Whether every price that a pool is valued at is known. */
function priced(machine: Machine, pool: number): boolean {
  const { book } = machine;
  const own = book.poolRow(pool);
  if (own >= 0) return pricedRow(machine, own);
  const account = book.poolAccount(pool);
  for (let row = book.firstRow(account); row >= 0; row = book.nextRow(row))
    if (!book.isIsolated(row) && !pricedRow(machine, row)) return false;
  for (let row = book.firstCashRow(account); row >= 0; row = book.nextCashRow(row))
    if (book.cashAmount(row) !== 0n && book.market.indexPrice(book.cashAsset(row)) === null) return false;
  return true;
}

function pricedRow({ book }: Machine, row: number): boolean {
  if (book.qty(row) === 0n) return true;
  const instrument = book.rowInstrument(row);
  return book.market.markPrice(instrument) !== null && book.market.indexPrice(book.settleIndex(instrument)) !== null;
}

/** Judges pools in the given order; returns those at or below an intervention threshold. */
function judgeAll(machine: Machine, pools: readonly number[], later: number[]): number[] {
  const due: number[] = [];
  for (const pool of pools) {
    if (machine.liquidating(pool)) continue;
    const account = machine.book.poolAccount(pool);
    if (account < 0 || machine.book.isSystem(account)) continue;
    if (!priced(machine, pool)) {
      later.push(pool);
      continue;
    }
    machine.judgedCount += 1;
    const { stage, warnings, standing } = machine.judge.judge(pool);
    machine.judgedPools.push({ pool, stage });
    warn(machine, pool, warnings, standing);
    if (stage > 0) due.push(pool);
    else {
      machine.dueSince.delete(pool);
      machine.index.arm(pool);
    }
  }
  return due;
}

/** HEALTH-05, HEALTH-06: each warning level once, armed again when the ratio has recovered beyond it. */
function warn(machine: Machine, pool: number, reached: number, standing: number): void {
  const before = machine.book.warned(pool);
  const { warnings } = machine.rules;
  if (reached > before) {
    const health = machine.poolHealthOf(machine.book.poolView(pool));
    for (let level = before; level < reached; level += 1)
      machine.fact("warning", {
        account: machine.accountName(machine.book.poolAccount(pool)),
        instrument: machine.poolInstrument(pool),
        level: warnings[level]?.toStringDown() ?? "",
        ratio: health.mm.isZero() ? null : health.maintenanceEquity.dividedBy(health.mm).toStringDown(),
      });
    machine.book.setWarned(pool, reached);
  } else if (standing < before) machine.book.setWarned(pool, standing);
}

function begin(machine: Machine, pool: number): void {
  startSaga(machine, pool, machine.dueSince.get(pool) ?? machine.t);
  machine.dueSince.delete(pool);
}

function permittedNow(machine: Machine, pool: number): boolean {
  const since = machine.dueSince.get(pool) ?? machine.t;
  const permitted = liquidationPermitted(machine, machine.book.poolView(pool), since);
  machine.dueSince.set(pool, since);
  return permitted;
}
