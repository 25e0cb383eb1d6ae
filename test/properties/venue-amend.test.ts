import fc from "fast-check";
import { expect, test } from "vitest";
import type { Entry } from "#libs/contracts/log.ts";
import { Engine } from "#libs/engine/index.ts";
import { Gate } from "#libs/engine/gate/index.ts";
import { liveOptions } from "#libs/journal/index.ts";
import { amended } from "#apps/venue/matching/amend.ts";
import type { Command } from "#apps/venue/matching/commands.ts";
import { applyCommand } from "#apps/venue/matching/exchange.ts";
import { type Floor, orderKey } from "#apps/venue/matching/floor.ts";
import { propertyOptions } from "../support/property.ts";
import { type Step, StepReader, venueAccounts, venueDocument, venueParts, venueSteps } from "../support/venue.ts";

const instruments = ["BTC-PERP", "BTC-INV"] as const;
const kept: ReadonlySet<Step["step"]> = new Set(["place", "amend", "cancel", "cancel_all", "tick"]);

/** Ticks of rules that are over mean nothing any more. */
function released(command: Command): Command {
  if (command.c !== "amend" || command.approval === null) throw new Error("only amendments wait");
  const { t, account, id, approval } = command;
  return { c: "release", t, account, id, request: approval.request };
}

/** The orders of a side as they would be met, best price and oldest first. */
const queue = (floor: Floor, instrument: string, side: "buy" | "sell"): string[] =>
  [...floor.book(instrument).against(side === "buy" ? "sell" : "buy", null)].map(
    ({ account, id }) => `${account} ${id}`,
  );

test("less of an order keeps its place in the queue; anything else goes behind all others of its price", () => {
  const { floor: made } = venueParts();
  const property = fc.property(venueSteps, (steps) => {
    const floor = made();
    const reader = new StepReader(floor);
    for (const step of steps as readonly Step[]) {
      const command = reader.command(step);
      if (command?.c !== "amend") {
        if (command !== null) applyCommand(floor, command);
        continue;
      }
      const key = orderKey(command.account, command.id);
      const order = { ...(floor.orders.get(key) as NonNullable<ReturnType<typeof floor.orders.get>>) };
      const next = amended(order, command.total, command.limit);
      const before = queue(floor, order.instrument, order.side);
      const { entries, reply } = applyCommand(floor, command);
      const after = floor.orders.get(key);
      if (reply !== null && "state" in reply && reply.state === "rejected") {
        expect(after).toEqual(order);
        continue;
      }
      if (after === undefined) continue;
      const standing = queue(floor, order.instrument, order.side);
      if (next.less) {
        expect(standing).toEqual(before);
        expect(after).toMatchObject({ no: order.no, lots: next.open, total: next.total });
        expect(entries.every(({ entry }) => entry.k === "order" && entry.approval === undefined)).toBe(true);
        continue;
      }
      const same = [...floor.orders.values()].filter(
        (one) => one.instrument === order.instrument && one.side === order.side && one.price === after.price,
      );
      expect(Math.max(...same.map(({ no }) => no))).toBe(after.no);
      const others = same.filter((one) => one !== after).map(({ account, id }) => `${account} ${id}`);
      for (const other of others) expect(standing.indexOf(other)).toBeLessThan(standing.indexOf(key));
    }
  });
  fc.assert(property, propertyOptions({ numRuns: 200 }));
});

/** A shard that has seen prices, with accounts that can pay for anything. */
function richShard(): { readonly engine: Engine; readonly gate: Gate; readonly take: (entry: Entry) => void } {
  const engine = Engine.create(venueDocument, liveOptions);
  const gate = new Gate(engine);
  const effects: { effect: string; account?: string; order?: string }[] = [];
  const take = (entry: Entry): void => {
    for (const effect of engine.apply(entry).effects) effects.push(effect);
    gate.applied(entry, 1);
  };
  const mark = Object.fromEntries(instruments.map((id) => [id, "50"]));
  const quality = Object.fromEntries([...instruments, "USDT", "BTC"].map((id) => [id, "good" as const]));
  take({ k: "frame", index: { USDT: "1", BTC: "50" }, mark, quality, t: 1 });
  for (const account of venueAccounts)
    for (const asset of ["USDT", "BTC"]) take({ k: "cash", account, asset, amount: "1000000", t: 1 });
  return { engine, gate, take };
}

/** Whether risk lets a command through, as the venue would ask. */
function approved(gate: Gate, floor: Floor, command: Command): boolean {
  if (command.c === "place") {
    const { account, id, instrument, side, lots, limit, reduceOnly } = command.terms;
    const grid = floor.grid(instrument);
    const order = { id, instrument, side, qty: grid.qtyText(lots), price: grid.priceText(limit), reduceOnly };
    return gate.check({ request: command.approval.request, account, order }, 1).decision === "accept";
  }
  if (command.c !== "amend" || command.approval === null) return true;
  const order = floor.orders.get(orderKey(command.account, command.id));
  if (order === undefined) return true;
  const grid = floor.grid(order.instrument);
  const { open, limit } = amended(order, command.total, command.limit);
  if (open <= 0) return true;
  const { account, id, approval } = command;
  const asked = {
    request: approval.request,
    account,
    order: id,
    qty: grid.qtyText(open),
    price: grid.priceText(limit),
  };
  return gate.amend(asked, 1).decision === "accept";
}

function compareOrders(engine: Engine, floor: Floor): void {
  const { book } = engine.machine;
  const theirs = venueAccounts.flatMap((account) =>
    book.orders(book.findAccount(account)).map((order) => {
      const grid = floor.grid(engine.machine.instrument(order.instrument).id);
      const price = order.price?.toStringDown() ?? "market";
      return `${account} ${order.id} ${order.side} ${grid.qtyText(Number(order.lots))} at ${price} ${order.reduceOnly}`;
    }),
  );
  const ours = [...floor.orders.values()].map((order) => {
    const grid = floor.grid(order.instrument);
    return `${order.account} ${order.id} ${order.side} ${grid.qtyText(order.lots)} at ${grid.priceText(order.price)} ${order.reduceOnly}`;
  });
  expect(theirs.sort()).toEqual(ours.sort());
}

test("after every command the margin engine has the venue's orders and positions, and nothing stays reserved", () => {
  const { floor: made } = venueParts(undefined, ["0"]);
  const property = fc.property(venueSteps, (steps) => {
    const floor = made();
    const reader = new StepReader(floor);
    const { engine, gate, take } = richShard();
    // While risk is asked about an amendment the market goes on: the order may fill, go, or lose its cover meanwhile.
    let waiting: Command | null = null;
    let askedUnder = 1;
    const carryOut = (wanted: Command): void => {
      if (wanted.c === "rules") take({ k: "rules", document: wanted.document, t: wanted.t });
      const late = wanted === waiting && floor.ruleVersion !== askedUnder;
      const command = late ? released(wanted) : wanted;
      for (const { entry } of applyCommand(floor, command).entries) take(entry);
      compareOrders(engine, floor);
    };
    for (const step of (steps as readonly Step[]).filter((one) => kept.has(one.step))) {
      const command = reader.command(step);
      if (command === null || !approved(gate, floor, command)) continue;
      const asked = command.c === "amend" && command.approval !== null;
      if (asked && waiting === null) [waiting, askedUnder] = [command, floor.ruleVersion];
      else {
        if (!asked) carryOut(command);
        if (waiting !== null) carryOut(waiting);
        if (asked) carryOut(command);
        waiting = null;
        expect(gate.size.reservations).toBe(0);
      }
    }
    const { entries } = applyCommand(floor, { c: "attest", t: 9_999, shard: "0", from: 0, to: 4096 });
    for (const { entry } of entries) expect(engine.apply(entry).facts).toMatchObject([{ fact: "positions.attested" }]);
    // The engine takes back by itself only what the venue had taken back already.
    for (const open of engine.openEffects())
      if (open.effect === "withdraw") expect(floor.orders.has(orderKey(open.account, open.order))).toBe(false);
  });
  fc.assert(property, propertyOptions({ numRuns: 150 }));
});
