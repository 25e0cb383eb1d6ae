import { Rational } from "#libs/decimal/index.ts";
import type { Entry, EntryBody } from "#libs/contracts/log.ts";
import { operatorHalt } from "#libs/domain/breakers/halts.ts";
import { cancelsRestingOrders } from "#libs/domain/breakers/states.ts";
import { unrealisedProfit } from "#libs/domain/positions/value.ts";
import { compileRules } from "#libs/domain/rule-set/compile.ts";
import type { Problem, RuleDocument } from "#libs/domain/rule-set/documents.ts";
import type { RuleSet } from "#libs/domain/rule-set/types.ts";
import { RulesIncompatible } from "../book.ts";
import { watchInstruments } from "../breach-watch.ts";
import { takeExpired } from "../clearing.ts";
import { fillSide, releaseIfFlat } from "../fills.ts";
import { bookAccruedFunding, settleChunk } from "../funding.ts";
import { amountOf, contractsOf } from "../amounts.ts";
import type { Machine } from "../machine.ts";
import { cancelScope } from "../mass-cancel.ts";
import { cancelOrder } from "../resting-orders.ts";
import { coverDeficit } from "../sagas/bad-debt.ts";
import { badDebtAccount, clearingAccount, roundingAccount } from "../system-accounts.ts";

/** A new version of the rules: whole or not at all. Every band was armed under the old one, so every pool is judged anew. */
export function applyRules(machine: Machine, entry: Extract<Entry, { k: "rules" }>): void {
  const { source = null, sourceSeq = null } = entry;
  const found = adoptRules(machine, entry.document);
  if (found.length > 0) return void machine.fact("rules.rejected", { problems: found });
  // The document stands in the log: who must know it finds it there by its producer's number.
  machine.fact("rules.changed", { version: machine.rules.version, source, sourceSeq });
  watchInstruments(machine);
}

/** Takes the next version of the rules into use; with any problem nothing is changed. */
export function adoptRules(machine: Machine, document: RuleDocument): readonly Problem[] {
  const { rules, problems } = compileRules(document, machine.rules.version + 1, machine.t);
  return problems.length > 0 ? problems : take(machine, document, rules);
}

/** Rules that drop or redefine what is in use are refused like those that do not compile. */
function take(machine: Machine, document: RuleDocument, rules: RuleSet): readonly Problem[] {
  try {
    machine.useRules(document, rules);
    return [];
  } catch (error) {
    if (!(error instanceof RulesIncompatible)) throw error;
    return [{ path: `$.document.${error.id}`, code: error.code, message: error.message }];
  }
}

/** BRK-24: an emergency that has ended binds no longer; the version of the rules stays. */
export function endEmergencies(machine: Machine): void {
  const { document, rules, emergencyEnds, t } = machine;
  const ended = (document.emergencies ?? []).filter(({ until }) => until >= (emergencyEnds ?? t) && until <= t);
  machine.useRules(document, compileRules(document, rules.version, t).rules);
  for (const { instrument = null, reason, until } of ended)
    machine.fact("emergency.ended", { instrument, reason, until });
}

export function applyHalt(machine: Machine, entry: Extract<EntryBody, { k: "halt" }>): void {
  const id = entry.scope === "global" ? "" : (entry.id ?? "");
  machine.halts = operatorHalt(
    machine.halts,
    { scope: entry.scope, id, state: entry.state, reason: entry.reason },
    machine.t,
  );
  machine.fact(entry.state === "normal" ? "halt.lifted" : "halt.set", {
    scope: entry.scope,
    id: entry.scope === "global" ? null : id,
    state: entry.state,
    reason: entry.reason,
    manual: true,
  });
  if (cancelsRestingOrders(entry.state)) cancelScope(machine, entry.scope, id);
}

/** EXP-02: trading stops, the settlement price stands, orders go, and positions settle at it in chunks. */
export function applyExpire(machine: Machine, entry: Extract<EntryBody, { k: "expire" }>): void {
  const { book } = machine;
  const instrument = book.instrumentIndex(entry.instrument);
  const price = Rational.parse(entry.price);
  machine.closedInstruments.set(instrument, price);
  // From now on this is what the positions are worth: health and whoever bears a loss are measured by it.
  book.market.setMarkPrice(instrument, price, machine.t);
  machine.changedPools = null;
  machine.factorMoved(book.market.markFactor(instrument));
  for (const account of machine.accountsInOrder())
    for (const order of book.orders(account).slice())
      if (order.instrument === instrument) cancelOrder(machine, order, "expired");
  const settled = settleExpired(machine, instrument);
  machine.fact("instrument.expired", { instrument: entry.instrument, price: entry.price, settled });
}

/** EXP-03: the next chunk of positions is closed at the settlement price against `clearing`, whose own position ends flat with the last. */
export function settleExpired(machine: Machine, instrument: number): number {
  const { book } = machine;
  const price = machine.closedInstruments.get(instrument);
  if (price === undefined) return 0;
  const rules = machine.instrument(instrument);
  const settle = book.settleIndex(instrument);
  let count = 0;
  for (const row of losersFirst(machine, instrument, price)) {
    const account = book.rowAccount(row);
    if (account === clearingAccount || machine.liquidating(book.poolOf(row))) continue;
    if (count === machine.rules.accountsPerEntryMax) break;
    const qty = contractsOf(rules, book.qty(row));
    bookAccruedFunding(machine, row);
    const draft = machine.ledger.begin();
    const done = fillSide(machine, draft, { account, instrument, qty: qty.negated(), price, liquidation: false });
    draft.cash(badDebtAccount, settle, done.deficit.negated());
    if (machine.options.venue === "matching") takeExpired(machine, draft, instrument, qty.negated(), price);
    else {
      fillSide(machine, draft, { account: clearingAccount, instrument, qty, price, liquidation: false });
      draft.residueToRounding(settle);
    }
    draft.book("fill");
    machine.fact("fill", {
      account: machine.accountName(account),
      instrument: rules.id,
      side: qty.sign > 0 ? "sell" : "buy",
      qty: qty.abs().toStringDown(),
      price: price.toStringDown(),
      realised: done.outcome.realised.toStringDown(),
      reason: "expiry",
    });
    if (done.deficit.sign > 0) coverDeficit(machine, { asset: settle, amount: done.deficit, instrument, saga: null });
    releaseIfFlat(machine, row);
    count += 1;
  }
  closeClearing(machine, instrument);
  return count;
}

/** EXP-03: `clearing`, flat again, keeps nothing: what the roundings of its own legs took from it comes back from `rounding`. */
function closeClearing(machine: Machine, instrument: number): void {
  const { book } = machine;
  const row = book.row(clearingAccount, instrument);
  if (book.qty(row) === 0n && machine.options.venue === "simulated") {
    const settle = book.settleIndex(instrument);
    const residue = amountOf(book.assetRules(settle), book.realised(row));
    machine.ledger
      .begin()
      .cash(clearingAccount, settle, residue.negated())
      .cash(roundingAccount, settle, residue)
      .book("rounding");
  }
  releaseIfFlat(machine, row);
}

/** Those who lose at the settlement price come first, so that winners still stand where a deficit has to be shared. */
function losersFirst(machine: Machine, instrument: number, price: Rational): number[] {
  const { book } = machine;
  const rules = machine.instrument(instrument);
  const asset = book.assetRules(book.settleIndex(instrument));
  const loses = (row: number): boolean =>
    unrealisedProfit(rules, contractsOf(rules, book.qty(row)), amountOf(asset, book.cost(row)), price).sign < 0;
  const rows = book.rowsOf(instrument).map((row) => ({ row, loses: loses(row) }));
  return [...rows.filter((one) => one.loses), ...rows.filter((one) => !one.loses)].map((one) => one.row);
}

/** Stands in the log in place of an entry that was refused: its producer's number counts, and that it was refused is a fact. */
export function applyRefused(machine: Machine, entry: Extract<Entry, { k: "refused" }>): void {
  const { of, code, what, source, sourceSeq } = entry;
  machine.fact("entry.refused", { of, code, what, source: source ?? null, sourceSeq: sourceSeq ?? null });
}

/** A chunk of settling: positions of an expired instrument, else accrued funding. */
export function applySettle(machine: Machine, entry: Extract<EntryBody, { k: "settle" }>): void {
  const instrument = machine.book.instrumentIndex(entry.instrument);
  const count = machine.closedInstruments.has(instrument)
    ? settleExpired(machine, instrument)
    : settleChunk(machine, instrument);
  machine.fact("settled", { instrument: entry.instrument, accounts: count });
}
