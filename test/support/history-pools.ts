import { Rational } from "#libs/decimal/index.ts";
import type { Entry } from "#libs/contracts/log.ts";
import { evaluateCross } from "#libs/domain/health/evaluate.ts";
import type { Engine } from "#libs/engine/index.ts";
import { everyPool, plainHealth, rowsOfPool, stageOf } from "./history-health.ts";
import { type Check, demand, type Done } from "./history-run.ts";

/** After these the engine does not look at health (SCENARIO): whoever is due waits for the next entry. */
const unlooked = new Set("order cancel mode halt fund house position attest session refused withdrawn".split(" "));

function looksAtHealth(entry: Entry): boolean {
  if (entry.k !== "frame") return !unlooked.has(entry.k);
  return entry.index !== undefined || entry.mark !== undefined || entry.haircut !== undefined;
}

const nameOf = (engine: Engine, pool: number): string =>
  `${engine.machine.accountName(engine.machine.book.poolAccount(pool))} ${engine.machine.poolInstrument(pool) ?? "cross"}`;

/** Whether every mark and index a pool depends on is good: then nothing permits it to wait. */
function pricesGood(engine: Engine, pool: number): boolean {
  const { book } = engine.machine;
  const { market } = book;
  const rows = rowsOfPool(engine, pool);
  const assets = rows.map((row) => book.settleIndex(book.rowInstrument(row)));
  if (book.poolRow(pool) < 0)
    for (let at = book.firstCashRow(book.poolAccount(pool)); at >= 0; at = book.nextCashRow(at))
      if (book.cashAmount(at) !== 0n) assets.push(book.cashAsset(at));
  return (
    rows.every((row) => market.instrumentQuality(book.rowInstrument(row)) === "good") &&
    assets.every((asset) => market.assetQuality(asset) === "good")
  );
}

/**
 * INV-04, INV-07, I-06, I-18, I-24 for every pool of every account after every entry: the incremental judge, the plain rules and
 * the arithmetic of the test agree; nobody due is left alone unless a price that is not good lets it wait; what was loud is listed.
 */
export function checkPools(engine: Engine): Check {
  return (entry) =>
    ({ facts }) => {
      const waiting = new Set(engine.machine.pending.list());
      const looked = looksAtHealth(entry);
      for (const pool of everyPool(engine)) {
        const health = plainHealth(engine, pool);
        const plain = engine.machine.poolHealthOf(engine.machine.book.poolView(pool));
        const same =
          plain.maintenanceEquity.equals(health.maintenance) &&
          plain.fullEquity.equals(health.full) &&
          plain.mm.equals(health.mm);
        demand(
          same,
          () =>
            `I-24 ${nameOf(engine, pool)}: E_M ${plain.maintenanceEquity.toString()} MM ${plain.mm.toString()}, here ${health.maintenance.toString()} ${health.mm.toString()}`,
        );
        const stage = stageOf(engine, health);
        const judged = engine.machine.judge.judge(pool).stage;
        demand(judged === stage, () => `I-24 ${nameOf(engine, pool)} is judged ${judged}, not ${stage}`);
        const exactly = engine.recheck(pool);
        demand(exactly === true, () => `I-24 ${String(exactly)}`);
        if (stage === 0 || engine.machine.liquidating(pool)) continue;
        const mayWait = waiting.has(pool) && (!looked || !pricesGood(engine, pool));
        demand(mayWait, () => `INV-07 ${nameOf(engine, pool)} is due and left alone after ${entry.k}`);
        demand(
          !pricesGood(engine, pool) || !looked || health.full.sign >= 0,
          () => `INV-04 ${nameOf(engine, pool)} is below zero`,
        );
      }
      const report = engine.invariants();
      for (const [name, result] of Object.entries(report)) {
        const early = !looked && (name === "index" || name === "solvency");
        demand(early || result === true, () => `the engine's own audit says ${name}: ${String(result)}`);
      }
      demand(!facts.some((one) => one.fact === "audit.failed"), () => "the self-audit failed");
      leftSolvent(engine, facts);
    };
}

/** INV-04: a pool whose saga is over is not below zero, at the prices its saga knew. */
function leftSolvent(engine: Engine, facts: Done["facts"]): void {
  const { book } = engine.machine;
  for (const fact of facts) {
    if (fact.fact !== "liquidation.ended") continue;
    const account = book.findAccount(String(fact["account"]));
    const instrument = fact["instrument"];
    const row = typeof instrument === "string" ? book.findRow(account, book.instrumentIndex(instrument)) : -1;
    if (typeof instrument === "string" && (row < 0 || book.qty(row) === 0n)) continue;
    const pool = row < 0 ? book.crossPool(account) : book.isolatedPool(row);
    if (engine.machine.liquidating(pool)) continue;
    const { full } = plainHealth(engine, pool);
    demand(full.sign >= 0, () => `INV-04 ${nameOf(engine, pool)} is left with ${full.toString()}`);
  }
}

/** INV-10, I-25: what is accepted stands up to an exact serial check of the same book; prices that are not good let nothing out. */
export function checkAcceptance(engine: Engine): Check {
  const { machine } = engine;
  const { book } = machine;
  return (entry) => {
    const before = entry.k === "order" ? requirement(engine, entry.account) : null;
    const wasGood =
      entry.k === "cash" && book.findAccount(entry.account) >= 0
        ? pricesGood(engine, book.crossPool(book.findAccount(entry.account)))
        : true;
    return ({ facts }) => {
      const accepted = facts.some((one) => one.fact === "order.accepted");
      if (entry.k === "order" && accepted && before !== null) {
        const after = requirement(engine, entry.account);
        demand(
          after.im.atMost(before.im) || after.im.atMost(after.equity),
          () => `INV-10 ${entry.id} needs ${after.im.toString()} of ${after.equity.toString()}`,
        );
        const quality = book.market.instrumentQuality(book.instrumentIndex(entry.instrument));
        demand(quality === "good" || after.im.atMost(before.im), () => `I-25 ${entry.id} opens on a ${quality} price`);
      }
      if (entry.k === "cash" && facts.some((one) => one.fact === "cash.withdrawn")) {
        const { im, equity } = requirement(engine, entry.account);
        demand(wasGood, () => "I-25 a withdrawal on a doubtful price");
        demand(im.atMost(equity), () => `I-22 ${im.toString()} needed, ${equity.toString()} left`);
      }
    };
  };
}

function requirement(engine: Engine, account: string): { readonly im: Rational; readonly equity: Rational } {
  const { book, market, rules } = engine.machine;
  const number = book.findAccount(account);
  if (number < 0) return { im: Rational.zero, equity: Rational.zero };
  const { im, initialEquity } = evaluateCross(book.crossView(number), market, rules);
  return { im, equity: initialEquity };
}
