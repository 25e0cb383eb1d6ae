import { Rational } from "#libs/decimal/index.ts";
import type { Fact } from "#libs/contracts/log.ts";
import type { Engine } from "#libs/engine/index.ts";
import {
  type Holding,
  holdingOf,
  indexOf,
  maintenanceOf,
  markOf,
  plainHealth,
  rowsOfPool,
  worth,
} from "./history-health.ts";
import { type Check, demand, type Done } from "./history-run.ts";

const { zero } = Rational;
const text = (fact: Fact, field: string): string => String(fact[field]);
const number = (fact: Fact, field: string): Rational => Rational.parse(text(fact, field));

/** p_bk of every position of a pool: `E_full` shared in proportion to margin in USD; null where no price takes as much. */
function bankruptcyOf(engine: Engine, pool: number): Map<string, Rational | null> {
  const { full } = plainHealth(engine, pool);
  const held = rowsOfPool(engine, pool).map((row) => holdingOf(engine, row));
  const parts = held.map((one) => maintenanceOf(engine, one).times(indexOf(engine, one.settle)));
  const total = Rational.sum(parts);
  const prices = new Map<string, Rational | null>();
  if (total.isZero()) return prices;
  held.forEach((one, at) => {
    const share = full
      .times(parts[at] as Rational)
      .dividedBy(total)
      .dividedBy(indexOf(engine, one.settle));
    const left = worth(one.instrument, one.qty, markOf(engine, one.number)).minus(share);
    const size = one.qty.times(one.instrument.multiplier);
    const linear = one.instrument.kind === "linear";
    const price = linear ? left.dividedBy(size) : left.isZero() ? null : size.dividedBy(left).negated();
    prices.set(one.instrument.id, price !== null && price.sign > 0 ? price : null);
  });
  return prices;
}

interface Candidate {
  readonly account: string;
  readonly held: Holding;
  readonly gains: boolean;
  /** What a contract loses at p_bk against mark, settle asset; not above zero: all of it may be taken. */
  readonly loss: Rational;
  /** Score as a fraction, higher first. */
  readonly score: Rational;
  readonly notionalUsd: Rational;
}

/** RULES §8 over the columns: everybody opposite who is worth something and is not liquidated, in the order of a queue. */
function queueOf(engine: Engine, instrument: number, side: 1 | -1, price: Rational): Candidate[] {
  const { book } = engine.machine;
  const found: Candidate[] = [];
  for (const row of book.rowsOf(instrument)) {
    const account = book.rowAccount(row);
    const held = holdingOf(engine, row);
    const pool = book.isIsolated(row) ? book.isolatedPool(row) : book.crossPool(account);
    if (book.isSystem(account) || held.qty.sign !== side || engine.machine.liquidating(pool)) continue;
    const { full } = plainHealth(engine, pool);
    if (full.sign <= 0 || held.cost.isZero()) continue;
    const mark = markOf(engine, instrument);
    const value = worth(held.instrument, held.qty, mark);
    const profit = value.minus(held.cost);
    const notionalUsd = value.abs().times(indexOf(engine, held.settle));
    const yieldPart = profit.dividedBy(held.cost.abs());
    const leverage = notionalUsd.dividedBy(full);
    found.push({
      account: book.accountId(account),
      held,
      gains: worth(held.instrument, held.qty, price).minus(held.cost).sign > 0,
      loss: value.minus(worth(held.instrument, held.qty, price)),
      score: profit.sign >= 0 ? yieldPart.times(leverage) : yieldPart.dividedBy(leverage),
      notionalUsd,
    });
  }
  const byId = (left: Candidate, right: Candidate): number => (left.account < right.account ? -1 : 1);
  return found.sort((left, right) => {
    if (left.gains !== right.gains) return left.gains ? -1 : 1;
    return right.score.compare(left.score) || right.notionalUsd.compare(left.notionalUsd) || byId(left, right);
  });
}

/** I-09, I-10, I-11: exactly what is needed, at exactly p_bk, from those whose turn it is, and from none of them too much. */
export function checkDeleveraging(engine: Engine): Check {
  /** saga → p_bk worked out when it was last judged outside of stage 2. */
  const frozen = new Map<string, ReadonlyMap<string, Rational | null>>();
  /** `saga instrument` → what was allocated and is not taken yet. */
  const open = new Map<string, { price: string; left: Rational }>();
  const ranked = new Set<string>();
  return (entry) => {
    const outcome = entry.k === "blocked" || entry.k === "closed" || entry.k === "resumed";
    if (!outcome) frozen.clear();
    if (entry.k === "frame") ranked.clear();
    const saga = outcome ? [...engine.machine.sagas.values()].find((one) => one.effect === entry.effect) : undefined;
    // An answer of another kind than was asked for judges nobody.
    if (saga?.state === "locking" && entry.k === "blocked") frozen.set(saga.id, bankruptcyOf(engine, saga.pool));
    const untouched = outcome && (entry.k !== "closed" || entry.fills.length === 0);
    const queues =
      untouched && saga !== undefined
        ? firstQueues(engine, saga.pool, saga.bankruptcy, frozen.get(saga.id))
        : new Map<string, Candidate[]>();
    return (done) => {
      for (const fact of done.facts) {
        if (fact.fact === "liquidation.stage" && fact["state"] === "partial") frozen.delete(text(fact, "saga"));
        if (fact.fact === "adl.allocated") allocated(fact, frozen, open);
        if (fact.fact === "adl.filled") filled(engine, fact, open, done);
      }
      for (const fact of done.facts) {
        if (fact.fact !== "adl.allocated") continue;
        const turn = `${text(fact, "instrument")} ${text(fact, "side")}`;
        const queue = queues.get(turn);
        const alone = done.facts.filter((one) => one.fact === "adl.allocated").length === 1 && !ranked.has(turn);
        ranked.add(turn);
        if (queue !== undefined && alone && fact["policy"] === "queue") inTurn(queue, done);
      }
    };
  };
}

function firstQueues(
  engine: Engine,
  pool: number,
  bankruptcy: ReadonlyMap<number, Rational | null>,
  own: ReadonlyMap<string, Rational | null> | undefined,
): Map<string, Candidate[]> {
  const queues = new Map<string, Candidate[]>();
  for (const row of rowsOfPool(engine, pool)) {
    const held = holdingOf(engine, row);
    const price = own?.get(held.instrument.id) ?? bankruptcy.get(held.number) ?? null;
    if (price === null || price.sign <= 0) continue;
    const side = held.qty.sign > 0 ? -1 : 1;
    queues.set(`${held.instrument.id} ${side > 0 ? "long" : "short"}`, queueOf(engine, held.number, side, price));
  }
  return queues;
}

function allocated(
  fact: Fact,
  frozen: ReadonlyMap<string, ReadonlyMap<string, Rational | null>>,
  open: Map<string, { price: string; left: Rational }>,
): void {
  const [saga, instrument] = [text(fact, "saga"), text(fact, "instrument")];
  const own = frozen.get(saga)?.get(instrument) ?? null;
  if (own !== null)
    demand(
      own.toStringDown() === fact["price"],
      () => `I-09 ${instrument} at ${text(fact, "price")}, p_bk is ${own.toStringDown()}`,
    );
  demand(
    number(fact, "taken").atMost(number(fact, "need")),
    () => `I-10 ${text(fact, "taken")} taken for ${text(fact, "need")}`,
  );
  open.set(`${saga} ${instrument}`, { price: text(fact, "price"), left: number(fact, "taken") });
}

function filled(
  engine: Engine,
  fact: Fact,
  open: ReadonlyMap<string, { price: string; left: Rational }>,
  { before, after, facts }: Done,
): void {
  const key = `${text(fact, "saga")} ${text(fact, "instrument")}`;
  const given = open.get(key);
  demand(given !== undefined && given.price === fact["price"], () => `I-09 ${key} fills at ${text(fact, "price")}`);
  given.left = given.left.minus(number(fact, "qty"));
  demand(given.left.sign >= 0, () => `I-10 ${key} takes more than was allocated`);
  const { book } = engine.machine;
  const account = book.findAccount(text(fact, "account"));
  demand(!book.isSystem(account), () => `I-10 ${text(fact, "account")} is deleveraged`);
  const held = `${text(fact, "account")} ${text(fact, "instrument")}`;
  const [was, is] = [before.rows.get(held)?.qty ?? 0n, after.rows.get(held)?.qty ?? 0n];
  demand(
    is === 0n || (is > 0n === was > 0n && (is > 0n ? is <= was : is >= was)),
    () => `I-10 ${held} goes from ${was} to ${is}`,
  );
  const row = before.rows.get(held)?.isolated === true ? (before.rows.get(held)?.row ?? -1) : -1;
  if (row >= 0 && is === 0n) return;
  // What is left may be less than the fee of a conversion that its debts have come due for in the same entry.
  if (facts.some((one) => one.fact === "conversion.booked" && one["account"] === fact["account"])) return;
  const { full } = plainHealth(engine, row < 0 ? book.crossPool(account) : book.isolatedPool(row));
  demand(full.sign >= 0, () => `I-10 ${held} is left with ${full.toString()}`);
}

/** I-11: whoever comes before somebody who gave something has given all that could be taken without a loss. */
function inTurn(queue: readonly Candidate[], { facts }: Done): void {
  const taken = new Map<string, Rational>();
  const order: string[] = [];
  for (const fact of facts) {
    if (fact.fact !== "adl.filled") continue;
    order.push(text(fact, "account"));
    taken.set(text(fact, "account"), number(fact, "qty"));
  }
  const names = queue.map((one) => one.account);
  const places = order.map((account) => names.indexOf(account)).filter((at) => at >= 0);
  const last = places.reduce((most, at) => Math.max(most, at), -1);
  for (const { account, held, loss } of queue.slice(0, Math.max(last, 0))) {
    const all = loss.sign > 0 || (taken.get(account) ?? zero).equals(held.qty.abs());
    demand(
      all,
      () =>
        `I-11 ${account} stands before ${names[last] ?? ""} and gives ${taken.get(account)?.toString() ?? "nothing"}`,
    );
  }
}
