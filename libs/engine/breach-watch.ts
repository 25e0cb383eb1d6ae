import { Rational } from "#libs/decimal/index.ts";
import { evaluateCross } from "#libs/domain/health/evaluate.ts";
import { type Binding, type Bindings, effective } from "#libs/domain/limits/effective.ts";
import type { Subject } from "#libs/domain/limits/subject.ts";
import type { Finding } from "#libs/domain/pre-trade/codes.ts";
import * as exposures from "#libs/domain/pre-trade/exposures.ts";
import { atMost, atMostShare } from "#libs/domain/pre-trade/limit-checks.ts";
import type { LimitKey } from "#libs/domain/rule-set/limit-types.ts";
import type { InstrumentRules } from "#libs/domain/rule-set/types.ts";
import { contractsOf } from "./amounts.ts";
import { askFor, asksAlready } from "./breaker-windows.ts";
import type { Machine } from "./machine.ts";
import { PriceMissing } from "./market.ts";

/** So many accounts are measured after a frame, in turns: a frame costs no more in a large book. */
const accountsPerFrame = 50;

const reason = "limit_breached";

/** BRK-23: prices and rules may have taken anybody past a limit: the next accounts are measured. */
export function watchBreaches(machine: Machine): void {
  if (machine.rules.breakers.limitBreach === null) return;
  const { accountCount } = machine.book;
  const first = machine.frame * accountsPerFrame;
  for (let turn = 0; turn < Math.min(accountsPerFrame, accountCount); turn += 1)
    measureAccount(machine, (first + turn) % accountCount);
}

/** BRK-23: after a fill: whose it was, and its instrument. */
export function watchFill(machine: Machine, accounts: readonly number[], instrument: number): void {
  if (machine.rules.breakers.limitBreach === null) return;
  for (const account of accounts) measureAccount(machine, account);
  measureInstrument(machine, instrument);
}

/** BRK-23: after a change of rules: every instrument; accounts follow with the frames. */
export function watchInstruments(machine: Machine): void {
  if (machine.rules.breakers.limitBreach === null) return;
  const { book } = machine;
  for (let instrument = 0; instrument < book.instrumentCount; instrument += 1)
    if (book.isInstrumentListed(instrument)) measureInstrument(machine, instrument);
}

function measureInstrument(machine: Machine, instrument: number): void {
  const { book, rules, t } = machine;
  const listed = book.instrumentRules(instrument);
  const nobody = { account: "", key: null, entity: null };
  const { account: most } = effective(rules.hierarchy, "maxOpenInterest", nobody, listed, t);
  const interest = contractsOf(listed, book.longLots(instrument));
  judge(machine, "instrument", listed.id, most === null ? null : atMost("open_interest_limit", interest, most));
}

function measureAccount(machine: Machine, account: number): void {
  const { book } = machine;
  if (book.isSystem(account)) return;
  const name = book.accountId(account);
  const entity = machine.entityOfAccount.get(name) ?? null;
  const subject = { account: name, key: null, entity };
  try {
    judge(machine, "account", name, breachOf(machine, subject, [account], "account"));
    // An owner is measured once a round, with its first account.
    const owned = entity === null ? [] : (machine.rules.entities.get(entity)?.accounts ?? []);
    if (entity === null || owned[0] !== name) return;
    const accounts = owned.map((one) => book.findAccount(one)).filter((one) => one >= 0);
    judge(machine, "entity", entity, breachOf(machine, subject, accounts, "owner"));
  } catch (error) {
    // What has no price cannot be measured: until it has one, nothing is opened in it either.
    if (!(error instanceof PriceMissing)) throw error;
  }
}

function judge(machine: Machine, scope: "instrument" | "account" | "entity", id: string, found: Finding | null): void {
  const { limitBreach } = machine.rules.breakers;
  if (limitBreach === null) return;
  if (found !== null && !asksAlready(machine, reason, scope, id))
    machine.fact("limit.breached", { scope, id, code: found.code, ...found.numbers });
  askFor(machine, reason, scope, id, found === null ? "normal" : limitBreach.state);
}

/** Positions alone: orders are held against the limits before they rest. */
function positionsOf(machine: Machine, account: number): exposures.Exposure[] {
  const { book } = machine;
  const found: exposures.Exposure[] = [];
  for (let row = book.firstRow(account); row >= 0; row = book.nextRow(row)) {
    if (book.qty(row) === 0n) continue;
    const instrument = book.instrumentRules(book.rowInstrument(row));
    const held = contractsOf(instrument, book.qty(row));
    found.push({ account: book.accountId(account), instrument, held, buys: Rational.zero, sells: Rational.zero });
  }
  return found;
}

/** The first limit of a scope that its accounts are past, in the order of the refusals. */
function breachOf(
  machine: Machine,
  subject: Subject,
  accounts: readonly number[],
  scope: keyof Bindings,
): Finding | null {
  const { book, market, rules, t } = machine;
  const held = accounts.flatMap((account) => positionsOf(machine, account));
  if (held.length === 0) return null;
  const equity = Rational.sum(accounts.map((one) => evaluateCross(book.crossView(one), market, rules).initialEquity));
  const binding = (key: LimitKey, instrument: InstrumentRules | null): Binding | null =>
    effective(rules.hierarchy, key, subject, instrument, t)[scope];
  const within = (
    key: LimitKey,
    instrument: InstrumentRules | null,
    check: (most: Binding) => Finding | null,
  ): Finding | null => {
    const most = binding(key, instrument);
    return most === null ? null : check(most);
  };
  for (const instrument of new Set(held.map((one) => one.instrument))) {
    const size = exposures.reached(held, instrument.id, "buy");
    const interest = contractsOf(instrument, book.longLots(book.instrumentIndex(instrument.id)));
    const usd = exposures.grossUsd(held, market, (one) => one.instrument === instrument);
    const found =
      within("maxPosition", instrument, (most) => atMost("position_limit", size.abs(), most)) ??
      within(size.sign > 0 ? "maxLong" : "maxShort", instrument, (most) =>
        atMost("position_limit", size.abs(), most),
      ) ??
      within("maxOpenInterestShare", instrument, (most) =>
        atMostShare("open_interest_share", size.abs(), most, interest),
      ) ??
      within("maxPositionShare", instrument, (most) => atMostShare("position_share", usd, most, equity));
    if (found !== null) return found;
  }
  return (
    within("maxGrossUsd", null, (most) => atMost("gross_limit", exposures.grossUsd(held, market), most)) ??
    within("maxNetUsd", null, (most) => atMost("net_limit", exposures.netUsd(held, market), most)) ??
    within("maxOpenPositions", null, (most) => atMost("open_positions", exposures.openPositions(held), most)) ??
    within("maxExposure", null, (most) => atMostShare("exposure", exposures.grossUsd(held, market), most, equity))
  );
}
