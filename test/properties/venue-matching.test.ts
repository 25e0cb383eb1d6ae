import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import fc from "fast-check";
import { expect, test } from "vitest";
import { Rational } from "#libs/decimal/index.ts";
import { topUp } from "#libs/domain/liquidation/fund-backed.ts";
import type { Command, Numbered, Outcome } from "#apps/venue/matching/commands.ts";
import { applyCommand } from "#apps/venue/matching/exchange.ts";
import type { Floor } from "#apps/venue/matching/floor.ts";
import { stateOf } from "#apps/venue/matching/state.ts";
import { Journal, journalLimits } from "#apps/venue/journal/journal.ts";
import { propertyOptions } from "../support/property.ts";
import { type Step, StepReader, venueAccounts, venueParts, venueSteps } from "../support/venue.ts";

interface Plain {
  readonly key: string;
  readonly account: string;
  readonly side: "buy" | "sell";
  readonly price: number;
  readonly no: number;
  lots: number;
}

/** Whom an order meets, by sorting everything that stands there: no tree, no queue. */
function plainMatches(floor: Floor, command: Extract<Command, { c: "place" }>): [string, number][] {
  const { terms } = command;
  const standing: Plain[] = [...floor.orders.values()]
    .filter((one) => one.instrument === terms.instrument && one.side !== terms.side)
    .filter((one) => (terms.side === "buy" ? one.price <= terms.limit : one.price >= terms.limit))
    .map((one) => ({ ...one, key: `${one.account}/${one.id}` }))
    .sort(
      (left, right) =>
        (terms.side === "buy" ? left.price - right.price : right.price - left.price) || left.no - right.no,
    );
  const matches: [string, number][] = [];
  let left = terms.lots;
  for (const one of standing) {
    if (left === 0 || one.account === terms.account) break;
    const lots = Math.min(left, one.lots);
    matches.push([one.key, lots]);
    left -= lots;
  }
  return matches;
}

const makersOf = (floor: Floor, entries: readonly Numbered[]): [string, number][] =>
  entries.flatMap((entry): [string, number][] =>
    entry.k === "fill" && entry.liquidity === "maker"
      ? [[`${entry.account}/${entry.order}`, floor.grid(entry.instrument).lotsOf(entry.qty) as number]]
      : [],
  );

/** Both halves of every trade say the same, and a taker's half (or the one `closed`) stands beside its maker's. */
function checkHalves(entries: readonly Numbered[]): void {
  const open = new Map<string, string>();
  const close = (trade: string, said: string): void => {
    expect(open.get(trade)).toBe(said);
    open.delete(trade);
  };
  for (const entry of entries) {
    if (entry.k === "fill" && entry.liquidity === "maker") open.set(entry.trade, `${entry.qty}@${entry.price}`);
    if (entry.k === "fill" && entry.liquidity === "taker") close(entry.trade, `${entry.qty}@${entry.price}`);
    if (entry.k === "closed")
      for (const { trade, qty, price } of entry.fills) close(trade as string, `${qty}@${price}`);
  }
  expect([...open.keys()]).toEqual([]);
}

function checkFloor(floor: Floor): void {
  for (const [instrument, book] of floor.books) {
    const [bid, ask] = [book.best("buy"), book.best("sell")];
    if (bid !== null && ask !== null) expect(bid).toBeLessThan(ask);
    const held = venueAccounts.map((account) => floor.positions.held(account, instrument));
    expect(held.reduce((sum, one) => sum + one, 0)).toBe(0);
    for (const [at, account] of venueAccounts.entries())
      for (const side of ["buy", "sell"] as const) {
        const size = side === "buy" ? Math.max(0, -(held[at] as number)) : Math.max(0, held[at] as number);
        expect(floor.reduceOnlyLots(account, instrument, side)).toBeLessThanOrEqual(size);
      }
  }
  for (const order of floor.orders.values()) {
    expect(order.lots).toBeGreaterThan(0);
    expect(floor.blocked(order.account, order.instrument)).toBe(false);
  }
}

const entriesOf = (outcome: Outcome): Numbered[] => outcome.entries.map(({ entry }) => entry);

test("orders trade in price-time order, quantities are conserved and positions sum to zero", () => {
  const { floor: made } = venueParts();
  const property = fc.property(venueSteps, (steps) => {
    const floor = made();
    const reader = new StepReader(floor);
    for (const step of steps as readonly Step[]) {
      const command = reader.command(step);
      if (command === null) continue;
      // A reduce-only order may give way before it is met; the plain matching does not know of that.
      const plain =
        command.c === "place" && ![...floor.orders.values()].some((one) => one.reduceOnly)
          ? plainMatches(floor, command)
          : null;
      const before = new Map([...floor.orders].map(([key, order]) => [key, order.lots]));
      const outcome = applyCommand(floor, command);
      const entries = entriesOf(outcome);
      checkHalves(entries);
      checkFloor(floor);
      for (const [key, lots] of before) {
        const [account = "", id = ""] = key.split(" ");
        const traded = makersOf(floor, entries).filter(([of]) => of === `${account}/${id}`);
        const left = traded.reduce((sum, [, one]) => sum - one, lots);
        const gone = entries.some((entry) => entry.k === "cancel" && entry.account === account && entry.id === id);
        const changed = command.c === "amend" && command.account === account && command.id === id;
        if (!gone && !changed) expect(floor.orders.get(key)?.lots ?? 0).toBe(left);
      }
      if (command.c !== "place") continue;
      const accepted = outcome.reply !== null && "state" in outcome.reply && outcome.reply.state !== "rejected";
      if (plain !== null && accepted) expect(makersOf(floor, entries)).toEqual(plain);
      // Every approval ends: in full fills, a resting order or a cancel by its request, and never in two of them.
      const filled = entries.reduce(
        (sum, entry) =>
          entry.k === "fill" && entry.liquidity === "taker"
            ? sum + (floor.grid(entry.instrument).lotsOf(entry.qty) as number)
            : sum,
        0,
      );
      const ends = entries.filter(
        (entry) =>
          (entry.k === "order" && entry.approval?.request === command.approval.request) ||
          (entry.k === "cancel" && entry.request === command.approval.request),
      );
      expect(ends.length).toBe(filled === command.terms.lots ? 0 : 1);
    }
  });
  fc.assert(property, propertyOptions({ numRuns: 150 }));
});

test("a close keeps to its quantity, limit, share of the depth and the fund's budget", () => {
  const { floor: made } = venueParts();
  const property = fc.property(venueSteps, (steps) => {
    const floor = made();
    const reader = new StepReader(floor);
    for (const step of steps as readonly Step[]) {
      const command = reader.command(step);
      if (command === null) continue;
      const again = command.c === "effect" && floor.effects.has(command.effect.id);
      const closing = command.c === "effect" && command.effect.effect === "close" ? command.effect : null;
      const held = closing === null ? 0 : floor.positions.held(closing.account, closing.instrument);
      const closed = entriesOf(applyCommand(floor, command)).find((entry) => entry.k === "closed");
      if (closing === null) continue;
      expect(closed === undefined).toBe(again);
      if (closed === undefined) continue;
      const grid = floor.grid(closing.instrument);
      const qty = Rational.sum(closed.fills.map((fill) => Rational.parse(fill.qty)));
      expect(qty.atMost(Rational.parse(closing.qty))).toBe(true);
      for (const fill of closed.fills)
        if (closing.limit !== null)
          expect(
            closing.side === "sell"
              ? Rational.parse(fill.price).atLeast(Rational.parse(closing.limit))
              : Rational.parse(fill.price).atMost(Rational.parse(closing.limit)),
          ).toBe(true);
      const after = floor.positions.held(closing.account, closing.instrument);
      expect(Math.abs(held) - Math.abs(after)).toBe(Number(qty.floorIn(grid.lot)));
      if (closing.backing === null) continue;
      const { reference, budget } = closing.backing;
      const paid = closed.fills.map((fill) =>
        topUp(
          {
            instrument: grid.rules,
            side: closing.side === "sell" ? "long" : "short",
            bankruptcyPrice: Rational.parse(reference),
            price: Rational.parse(fill.price),
            quantum: grid.quantum,
          },
          Rational.parse(fill.qty),
        ),
      );
      expect(Rational.sum(paid).atMost(Rational.parse(budget))).toBe(true);
    }
  });
  fc.assert(property, propertyOptions({ numRuns: 200 }));
});

test("reading the journal again gives the same books, positions, sequences and answers, wherever it was cut", () => {
  const { shards, genesis, floor: made } = venueParts();
  const property = fc.property(venueSteps, fc.integer({ min: 3, max: 12 }), (steps, segmentCommands) => {
    const folder = mkdtempSync(`${tmpdir()}/plimsoll-venue-`);
    try {
      const limits = { ...journalLimits, segmentCommands, segmentsKept: 100, entriesInMemory: 4 };
      let journal = Journal.open(folder, shards, genesis, limits);
      const written = new Map<string, Numbered[]>(shards.map((shard) => [shard, []]));
      let reader = new StepReader(journal.floor);
      const reopened = new Set([Math.floor(steps.length / 3), Math.floor(steps.length / 2)]);
      const commands: Command[] = [];
      for (const [at, step] of (steps as readonly Step[]).entries()) {
        if (reopened.has(at)) {
          const before = JSON.stringify(stateOf(journal.floor));
          journal.close();
          journal = Journal.open(folder, shards, genesis, limits);
          expect(JSON.stringify(stateOf(journal.floor))).toBe(before);
          reader = readerAt(journal.floor, at);
        }
        const command = reader.command(step);
        if (command === null) continue;
        commands.push(command);
        for (const { shard, entry } of journal.write(command).entries) written.get(shard)?.push(entry);
        if (journal.full) journal.compact(new Map());
      }
      for (const [shard, entries] of written) {
        expect(journal.entries(shard, 1, Infinity, Infinity)).toEqual(entries);
        expect(entries.map((entry) => entry.sourceSeq)).toEqual(entries.map((_, at) => at + 1));
        const middle = Math.ceil(entries.length / 2);
        expect(journal.entries(shard, middle, middle + 1, 500)).toEqual(
          middle === 0 ? [] : entries.slice(middle - 1, middle + 1),
        );
      }
      journal.close();
      const straight = made();
      for (const command of commands) applyCommand(straight, command);
      const last = Journal.open(folder, shards, genesis, limits);
      expect(stateOf(last.floor)).toEqual(stateOf(straight));
      last.close();
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
  fc.assert(property, propertyOptions({ numRuns: 60 }));
});

/** A reader whose names go on where the old one's ended. */
function readerAt(floor: Floor, steps: number): StepReader {
  const reader = new StepReader(floor);
  for (let at = 0; at < steps; at += 1) reader.command({ step: "cancel", pick: 0 });
  return reader;
}
