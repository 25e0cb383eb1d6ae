import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Rational } from "#libs/decimal/index.ts";
import type { Entry, Fact } from "#libs/contracts/log.ts";
import { applyFill } from "#libs/domain/positions/fill.ts";
import { Engine } from "#libs/engine/index.ts";
import { holdingOf } from "#test/support/history-health.ts";
import { histories, traders } from "#test/support/histories.ts";
import { type CheckMaker, readBook, runHistory } from "#test/support/history-run.ts";
import { holdings, renamed, scaled, unnumbered } from "#test/support/history-variants.ts";
import { rulesOf } from "#test/support/pools.ts";
import { propertyOptions } from "#test/support/property.ts";

const plain = { curves: false, shared: false } as const;
const told = (facts: readonly Fact[]): string[] =>
  facts.map((one) => `${one.fact} ${JSON.stringify([one["account"], one["instrument"]])}`);

describe("I-31 histories that must end alike", () => {
  test("with all money and contracts a hundredfold, everything is a hundredfold", () => {
    fc.assert(
      fc.property(histories(plain), (history) => {
        const [one, many] = [runHistory(history), runHistory(scaled(history, 100))];
        expect(told(many.facts)).toEqual(told(one.facts));
        // Quanta and lots are a hundred times as large too, so their numbers are the same.
        expect(holdings(readBook(many.engine))).toBe(holdings(readBook(one.engine)));
      }),
      propertyOptions({ numRuns: 25 }),
    );
  });

  test("with other names in the same order, everybody has the same", () => {
    fc.assert(
      fc.property(histories(), (history) => {
        const system = new Set(["insurance", "fees", "house", "rounding", "bad_debt", "clearing", "market"]);
        const name = (account: string): string => (system.has(account) ? account : `${account}0`);
        const [one, other] = [runHistory(history), runHistory(renamed(history, name))];
        expect(holdings(readBook(other.engine))).toBe(holdings(readBook(one.engine), name));
      }),
      propertyOptions({ numRuns: 25 }),
    );
  });

  test("with names in reverse order, everybody has the same until a queue or a fund has to choose", () => {
    const names: readonly string[] = [...traders, "lp1", "lp2"];
    const name = (account: string): string => names[names.length - 1 - names.indexOf(account)] ?? account;
    const choosing = new Set(["adl.filled", "loss.shared", "conversion.booked", "insurance.paid", "debt.parked"]);
    fc.assert(
      fc.property(histories(), (history) => {
        let [steps, done] = [0, 0];
        runHistory(history, [], {
          afterStep: (_exchange, facts) => {
            done += 1;
            if (!facts.some((one) => choosing.has(one.fact))) steps = done;
          },
        });
        const start = { document: history.document, steps: history.steps.slice(0, steps) };
        const [one, other] = [runHistory(start), runHistory(renamed(start, name))];
        expect(holdings(readBook(other.engine))).toBe(holdings(readBook(one.engine), name));
      }),
      propertyOptions({ numRuns: 25 }),
    );
  });

  test("with somebody unrelated on the exchange, everybody else has the same", () => {
    fc.assert(
      fc.property(histories({ shared: false }), fc.boolean(), (history, before) => {
        const bare = unnumbered(history);
        const stranger = before ? "A-stranger" : "zz-stranger";
        const joins = ["USDT", "BTC", "ETH"].map((asset): Entry => ({
          k: "cash",
          account: stranger,
          asset,
          amount: "7",
          t: 0,
        }));
        const [first, ...rest] = bare.steps;
        const joined = { document: bare.document, steps: first === undefined ? joins : [first, ...joins, ...rest] };
        const [one, other] = [runHistory(bare), runHistory(joined)];
        const others = (account: string): string | null => (account === stranger ? null : account);
        expect(holdings(readBook(other.engine), others)).toBe(holdings(readBook(one.engine)));
        const kept = ["USDT", "BTC", "ETH"].map((asset) => other.engine.account(stranger).cash[asset]);
        expect(kept).toEqual(["7", "7", "7"]);
      }),
      propertyOptions({ numRuns: 25 }),
    );
  });

  test("a payment of funding in two halves is the same payment", () => {
    fc.assert(
      fc.property(histories(), fc.integer({ min: -1000, max: 1000 }), (history, rate) => {
        const { engine } = runHistory(unnumbered(history));
        const pay = (...rates: readonly number[]): Engine => {
          const copy = Engine.restore(engine.snapshot(), engine.machine.options);
          for (const one of rates)
            copy.apply({
              k: "funding",
              instrument: "BTC-PERP",
              rate: Rational.ofUnits(BigInt(one), 9).toStringDown(),
              t: 0,
            });
          return copy;
        };
        const accrued = (copy: Engine): string[] =>
          copy.machine.book
            .rowsOf(copy.machine.book.instrumentIndex("BTC-PERP"))
            .map((row) => `${copy.machine.book.rowAccount(row)} ${holdingOf(copy, row).accrued.reduced().toString()}`);
        const [whole, halves] = [pay(2 * rate), pay(rate, rate)];
        if ([whole, halves].some((copy) => copy.machine.factSeq - engine.machine.factSeq > 2)) return;
        expect(accrued(halves)).toEqual(accrued(whole));
      }),
      propertyOptions({ numRuns: 25 }),
    );
  });
});

describe("I-31 what can only help", () => {
  /** After every entry, in a copy: whoever is not being liquidated and gets something is not liquidated by that. */
  const givesToEverybody: CheckMaker = (engine) => () => () => {
    const due = new Set(engine.machine.pending.list());
    for (const account of traders) {
      const copy = Engine.restore(engine.snapshot(), engine.machine.options);
      const { book } = copy.machine;
      const number = book.findAccount(account);
      if (number < 0 || copy.machine.liquidating(book.crossPool(number)) || due.has(book.crossPool(number))) continue;
      for (const [asset, amount] of [
        ["USDT", "1000"],
        ["BTC", "3"],
      ] as const) {
        const { facts } = copy.apply({ k: "cash", account, asset, amount, t: 0 });
        const started = facts.filter(
          (one) => one.fact === "liquidation.started" && one["account"] === account && one["instrument"] === null,
        );
        expect(started, `${account} is liquidated by getting ${amount} ${asset}`).toEqual([]);
      }
    }
  };

  test("more collateral never begins a liquidation", () => {
    fc.assert(
      fc.property(histories({ curves: false, steps: 10 }), (history) => {
        runHistory(history, [givesToEverybody]);
      }),
      propertyOptions({ numRuns: 8 }),
    );
  });

  test("a mark that moves a position's way never begins its liquidation", () => {
    const choice = {
      curves: false,
      shared: false,
      tierMode: "progressive",
      kinds: { trade: 6, tick: 4, funding: 1 },
      steps: 12,
    } as const;
    const favours: CheckMaker = (engine) => () => () => {
      for (const [move, sign] of [
        [102n, 1],
        [98n, -1],
      ] as const) {
        const copy = Engine.restore(engine.snapshot(), engine.machine.options);
        const { book } = copy.machine;
        const number = book.instrumentIndex("BTC-PERP");
        const mark = book.market.markPrice(number);
        if (mark === null) return;
        const calm = new Set(
          book
            .rowsOf(number)
            .filter(
              (row) =>
                Math.sign(Number(book.qty(row))) === sign &&
                !copy.machine.liquidating(book.crossPool(book.rowAccount(row))),
            ),
        );
        const owners = new Set([...calm].map((row) => book.accountId(book.rowAccount(row))));
        const due = new Set(engine.machine.pending.list().map((pool) => book.accountId(book.poolAccount(pool))));
        const price = mark.times(Rational.ofUnits(move, 2)).toStringDown();
        const { facts } = copy.apply({ k: "frame", mark: { "BTC-PERP": price }, t: 0 });
        const hit = facts.filter(
          (one) =>
            one.fact === "liquidation.started" &&
            owners.has(String(one["account"])) &&
            !due.has(String(one["account"])),
        );
        expect(hit, `at ${price}`).toEqual([]);
      }
    };
    fc.assert(
      fc.property(histories(choice), (history) => {
        runHistory(history, [favours]);
      }),
      propertyOptions({ numRuns: 8 }),
    );
  });
});

describe("I-31 fills", () => {
  const rules = rulesOf(
    [],
    [
      { id: "LIN", lot: "0.001" },
      { id: "INV", kind: "inverse", base: "BTC", quote: "USD", settle: "BTC", lot: "1" },
    ],
  );
  const units = (decimals: number, most: number) =>
    fc.integer({ min: 1, max: most }).map((count) => Rational.ofUnits(BigInt(count), decimals));

  test("one fill of n lots is n fills of one, up to a quantum each, and never cheaper in parts", () => {
    fc.assert(
      fc.property(
        fc.constantFrom("LIN", "INV"),
        fc.integer({ min: -30, max: 30 }),
        fc.integer({ min: 1, max: 20 }),
        fc.boolean(),
        units(3, 10 ** 8),
        units(3, 10 ** 8),
        fc.constantFrom(0, 2, 8, 18),
        (id, held, lots, buys, entry, price, decimals) => {
          const instrument = rules.instruments.get(id);
          if (instrument === undefined) throw new Error(`no ${id}`);
          const quantum = Rational.ofUnits(1n, decimals);
          const contracts = (count: number): Rational => instrument.lot.times(Rational.ofInteger(count));
          const flat = { qty: Rational.zero, cost: Rational.zero };
          const start = held === 0 ? flat : applyFill(instrument, flat, contracts(held), entry, quantum).after;
          const sign = buys ? 1 : -1;
          const once = applyFill(instrument, start, contracts(sign * lots), price, quantum);
          let [after, realised] = [start, Rational.zero];
          for (let at = 0; at < lots; at += 1) {
            const part = applyFill(instrument, after, contracts(sign), price, quantum);
            [after, realised] = [part.after, realised.plus(part.realised)];
          }
          const worse = once.realised.minus(once.after.cost).minus(realised.minus(after.cost));
          expect(after.qty.equals(once.after.qty)).toBe(true);
          expect(worse.sign).toBeGreaterThanOrEqual(0);
          expect(worse.below(quantum.times(Rational.ofInteger(lots)))).toBe(true);
        },
      ),
      propertyOptions({ numRuns: 200 }),
    );
  });
});
