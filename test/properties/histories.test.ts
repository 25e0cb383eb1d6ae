import fc from "fast-check";
import { describe, test } from "vitest";
import type { Entry } from "#libs/contracts/log.ts";
import { Engine } from "#libs/engine/index.ts";
import { histories } from "#test/support/histories.ts";
import { checkBooks, checkFunding } from "#test/support/history-books.ts";
import { checkDeleveraging } from "#test/support/history-deleveraging.ts";
import { checkClosingFees, checkDebts, checkTriggers, checkWaterfall } from "#test/support/history-liquidations.ts";
import { checkAcceptance, checkPools } from "#test/support/history-pools.ts";
import { checkAnswers, checkDuplicates, checkSnapshots, replayFrom } from "#test/support/history-replay.ts";
import { type CheckMaker, demand, runHistory } from "#test/support/history-run.ts";
import { propertyOptions } from "#test/support/property.ts";
import type { SimulatedExchange } from "#libs/simulation/exchange.ts";

/** Nothing is left unanswered when a step is over. */
function settled(exchange: SimulatedExchange): void {
  const open = exchange.engine.openEffects().length;
  demand(open === 0, () => `I-27 ${open} effects are left open`);
}

/** Runs histories with checks around every entry. */
function holds(numRuns: number, checks: readonly CheckMaker[], choice: Parameters<typeof histories>[0] = {}): void {
  fc.assert(
    fc.property(histories(choice), fc.constantFrom("one" as const, "all" as const), (history, roundsPerFrame) => {
      runHistory(history, checks, { afterStep: settled, roundsPerFrame });
    }),
    propertyOptions({ numRuns }),
  );
}

/** Little that stands in the way, and prices that move a lot: every stage of the waterfall comes up often. */
const rough = { trade: 10, crash: 8, tick: 8, depth: 3, funding: 1, mode: 2, fund: 1 };

describe("after every entry of every history", () => {
  test("INV-01 INV-02 INV-03 money is neither made nor lost, longs are shorts, funds never owe (I-01 … I-05, I-24, I-26)", () => {
    holds(60, [checkBooks, checkFunding], { limits: true });
  });

  test("INV-04 INV-07 whoever is due is found, by the plain rules and a second arithmetic, and nobody is left below zero (I-06, I-18, I-24)", () => {
    holds(60, [checkPools]);
  });

  test("INV-05 the waterfall runs in its order, each step once, and a debt is paid or parked to the quantum (I-07, I-08, I-12, I-15, I-27)", () => {
    holds(60, [checkWaterfall, checkDebts, checkClosingFees], { kinds: rough });
  });

  test("INV-06 only pools at or below the threshold are touched, and every partial close raises their ratio (I-13, I-14)", () => {
    holds(80, [checkTriggers], { kinds: { ...rough, crash: 1, tick: 16 } });
  });

  test("INV-05 deleveraging takes exactly the need, at exactly p_bk, in the order of its queue (I-09, I-10, I-11)", () => {
    holds(80, [checkDeleveraging], { kinds: rough });
  });

  test("INV-10 what is accepted stands up to an exact check, and doubtful prices let nothing out (I-22, I-25)", () => {
    // Few trades, so that few go into liquidation: what is asked for is then decided by margins and prices alone.
    const asking = {
      trade: 3,
      tick: 4,
      order: 20,
      cancel: 2,
      deposit: 3,
      withdraw: 12,
      transfer: 4,
      mode: 3,
      margin: 4,
      quality: 6,
      halt: 1,
    };
    holds(100, [checkAcceptance], { kinds: asking, limits: true });
  });

  test("money, pools and waterfall hold for sizes and quanta of every order", () => {
    holds(25, [checkBooks, checkPools, checkTriggers, checkWaterfall, checkDebts, checkDeleveraging], { steps: 40 });
  });
});

describe("the log alone decides", () => {
  test("INV-08 a snapshot of any point is the same machine and does the same with the next entry (I-17)", () => {
    holds(30, [checkSnapshots], { limits: true });
  });

  test("INV-08 the rest of the log, replayed from any snapshot, ends in the same state (I-17)", () => {
    fc.assert(
      fc.property(
        histories({ limits: true }),
        fc.array(fc.nat(1000), { minLength: 3, maxLength: 3 }),
        (history, cuts) => {
          const { engine, log } = runHistory(history);
          const fresh = (): Engine => Engine.create(history.document, engine.machine.options);
          for (const cut of cuts) replayFrom(log, engine, fresh(), cut % (log.length + 1));
        },
      ),
      propertyOptions({ numRuns: 30 }),
    );
  });

  test("INV-09 what was seen before changes nothing, and a gap stops the shard (I-16)", () => {
    holds(25, [checkDuplicates, checkAnswers], { limits: true });
  });

  test("INV-09 of prices the latest wins: a gap in frames is passed over", () => {
    fc.assert(
      fc.property(histories({ steps: 4 }), fc.integer({ min: 2, max: 9 }), (history, gap) => {
        const { engine } = runHistory(history);
        const seq = (engine.machine.sourceSeqs.get("log") ?? 0) + gap;
        const frame: Entry = { k: "frame", index: { BTC: "50000" }, t: 0, source: "log", sourceSeq: seq };
        engine.apply(frame);
        demand(engine.machine.sourceSeqs.get("log") === seq, () => "INV-09 a gap in frames is not passed over");
      }),
      propertyOptions({ numRuns: 10 }),
    );
  });
});

describe("when the exchange has calmed down", () => {
  test("every saga ends once its pool can be closed (I-27)", () => {
    fc.assert(
      fc.property(histories({ liquidity: ["mark"], kinds: rough }), (history) => {
        const { engine, exchange } = runHistory(history);
        calm(exchange);
        const open = [...engine.machine.sagas.values()].filter((saga) => saga.state !== "partial");
        demand(open.length === 0, () => `I-27 ${open.length} sagas are still ${open.map((saga) => saga.state).join()}`);
      }),
      propertyOptions({ numRuns: 30 }),
    );
  });
});

/** Prices stand, all of them good, halts are lifted, and time passes. */
function calm(exchange: SimulatedExchange): void {
  const { machine } = exchange.engine;
  const quality = Object.fromEntries(
    [...machine.rules.assets.keys(), ...machine.rules.instruments.keys()].map((id) => [id, "good" as const]),
  );
  exchange.apply({ k: "frame", quality, t: machine.t });
  exchange.apply({ k: "halt", scope: "global", state: "normal", reason: "calm", t: machine.t });
  for (let minute = 1; minute <= 20; minute += 1) {
    const index = machine.market.index("USDT").toStringDown();
    exchange.apply({ k: "frame", index: { USDT: index }, t: machine.t + 60_000 });
  }
}
