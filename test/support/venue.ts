import fc from "fast-check";
import type { InstrumentDocument, RuleDocument } from "#libs/domain/rule-set/documents.ts";
import { amended } from "#apps/venue/matching/amend.ts";
import type { Command, VenueEffect } from "#apps/venue/matching/commands.ts";
import { applyCommand } from "#apps/venue/matching/exchange.ts";
import { Floor } from "#apps/venue/matching/floor.ts";
import { btcPerp, btcPerpAssets } from "./btc-perp.ts";

/** Two contracts and an entity of two accounts. */
export const venueDocument: RuleDocument = {
  assets: btcPerpAssets(),
  instruments: [
    btcPerp({ lot: "0.01" }),
    { id: "BTC-INV", kind: "inverse", base: "BTC", quote: "USD", settle: "BTC", index: "BTC", tick: "0.5", lot: "1" },
  ],
  entities: { fund: { accounts: ["a1", "a2"] } },
};

export const venueShards = ["0", "1"] as const;

export function venueParts(document: RuleDocument = venueDocument, shards: readonly string[] = venueShards) {
  const genesis = () => document;
  const floor = (): Floor => {
    const made = new Floor(shards);
    applyCommand(made, { c: "rules", t: 0, version: 1, document });
    return made;
  };
  return { shards, genesis, floor };
}

export const venueAccounts = ["a1", "a2", "a3", "a4", "a5"] as const;
const instruments = ["BTC-PERP", "BTC-INV"] as const;

/** A step of a history before it is known which orders there are. */
export type Step =
  | {
      readonly step: "place";
      readonly account: string;
      readonly instrument: string;
      readonly side: "buy" | "sell";
      readonly lots: number;
      readonly limit: number;
      readonly ioc: boolean;
      readonly reduceOnly: boolean;
    }
  | { readonly step: "amend"; readonly pick: number; readonly total: number | null; readonly limit: number | null }
  | { readonly step: "cancel"; readonly pick: number }
  | { readonly step: "cancel_all"; readonly account: string; readonly instrument: string | null }
  | { readonly step: "block"; readonly account: string; readonly instrument: string | null }
  | { readonly step: "unblock"; readonly pick: number }
  | {
      readonly step: "close";
      readonly account: string;
      readonly instrument: string;
      readonly share: string | null;
      readonly limit: number | null;
      readonly budget: number | null;
    }
  | { readonly step: "withdraw"; readonly pick: number }
  | { readonly step: "tick"; readonly tick: string }
  | { readonly step: "again"; readonly pick: number };

const account = fc.constantFrom(...venueAccounts);
const instrument = fc.constantFrom(...instruments);
const ticks = fc.integer({ min: 95, max: 105 });
const rare = (odds: number) => fc.integer({ min: 1, max: odds }).map((drawn) => drawn === 1);

const place = fc.record({
  step: fc.constant("place" as const),
  account,
  instrument,
  side: fc.constantFrom("buy" as const, "sell" as const),
  lots: fc.integer({ min: 1, max: 20 }),
  limit: ticks,
  ioc: rare(5),
  reduceOnly: rare(4),
});
const pick = fc.nat({ max: 1_000 });
const pool = { account, instrument: fc.option(instrument, { nil: null }) };

export const venueSteps = fc.array(
  fc.oneof(
    { arbitrary: place, weight: 14 },
    {
      arbitrary: fc.record({
        step: fc.constant("amend" as const),
        pick,
        total: fc.option(fc.integer({ min: 1, max: 25 }), { nil: null }),
        limit: fc.option(ticks, { nil: null }),
      }),
      weight: 5,
    },
    { arbitrary: fc.record({ step: fc.constant("cancel" as const), pick }), weight: 3 },
    { arbitrary: fc.record({ step: fc.constant("cancel_all" as const), ...pool }), weight: 1 },
    { arbitrary: fc.record({ step: fc.constant("block" as const), ...pool }), weight: 1 },
    { arbitrary: fc.record({ step: fc.constant("unblock" as const), pick }), weight: 2 },
    {
      arbitrary: fc.record({
        step: fc.constant("close" as const),
        account,
        instrument,
        share: fc.constantFrom(null, "0.25", "1"),
        limit: fc.option(ticks, { nil: null }),
        budget: fc.option(fc.integer({ min: 0, max: 60 }), { nil: null }),
      }),
      weight: 2,
    },
    { arbitrary: fc.record({ step: fc.constant("withdraw" as const), pick }), weight: 1 },
    {
      arbitrary: fc.record({ step: fc.constant("tick" as const), tick: fc.constantFrom("0.25", "0.5", "1") }),
      weight: 1,
    },
    { arbitrary: fc.record({ step: fc.constant("again" as const), pick }), weight: 1 },
  ),
  // Histories of the full length, not the short ones that are made by default.
  { minLength: 1, maxLength: 60, size: "max" },
);

/** Turns steps into commands, given what the floor holds when each is due; null: there is nothing to do it to. */
export class StepReader {
  readonly #floor: Floor;
  #n = 0;
  readonly #effects: VenueEffect[] = [];

  constructor(floor: Floor) {
    this.#floor = floor;
  }

  command(step: Step): Command | null {
    this.#n += 1;
    const t = 1_000 + this.#n;
    const approval = { request: `r${this.#n}`, epoch: 1, until: t + 500 };
    if (step.step === "place") {
      const { account: of, instrument: on, side, lots, limit, ioc, reduceOnly } = step;
      const terms = {
        account: of,
        id: `o${this.#n}`,
        instrument: on,
        side,
        lots,
        limit,
        market: false,
        ioc,
        reduceOnly,
      };
      return { c: "place", t, terms, approval };
    }
    if (step.step === "amend") {
      const order = this.#order(step.pick);
      if (order === undefined) return null;
      const { total, limit } = step;
      const { less, open } = amended(order, total, limit);
      const asked = less ? null : { ...approval, lots: open };
      return { c: "amend", t, account: order.account, id: order.id, total, limit, approval: asked };
    }
    if (step.step === "cancel_all") return { c: "cancel_all", t, account: step.account, instrument: step.instrument };
    if (step.step === "cancel") {
      const order = this.#order(step.pick);
      return order === undefined ? null : { c: "cancel", t, account: order.account, id: order.id };
    }
    if (step.step === "unblock") return this.#unblock(step.pick, t);
    if (step.step === "tick") {
      const [first, ...others] = venueDocument.instruments;
      const instruments = [{ ...(first as InstrumentDocument), tick: step.tick }, ...others];
      return { c: "rules", t, version: this.#floor.ruleVersion + 1, document: { ...venueDocument, instruments } };
    }
    const effect = this.#effect(step);
    if (effect === null || !("account" in effect)) return null;
    this.#effects.push(effect);
    return { c: "effect", t, shard: this.#floor.owners.shardOf(effect.account), epoch: 1, effect };
  }

  #order(at: number) {
    const orders = [...this.#floor.orders.values()];
    return orders[at % Math.max(1, orders.length)];
  }

  #unblock(at: number, t: number): Command | null {
    const sagas = [...this.#floor.blocks].flatMap(([of, blocks]) =>
      [...blocks.values()].map((saga) => [of, saga] as const),
    );
    const found = sagas[at % Math.max(1, sagas.length)];
    if (found === undefined) return null;
    const shard = this.#floor.owners.shardOf(found[0]);
    const to = this.#floor.shard(shard).facts + 1;
    return { c: "facts", t, shard, to, at: this.#floor.factsAt + 1, ended: [found[1]], moved: [] };
  }

  #effect(step: Extract<Step, { step: "block" | "close" | "withdraw" | "again" }>): VenueEffect | null {
    const id = `e${this.#n}`;
    if (step.step === "again") return this.#effects[step.pick % Math.max(1, this.#effects.length)] ?? null;
    if (step.step === "block")
      return { id, effect: "block", saga: `s${this.#n}`, account: step.account, instrument: step.instrument };
    if (step.step === "withdraw") {
      const order = this.#order(step.pick);
      if (order === undefined) return null;
      const { account: of, instrument: on } = order;
      return { id, effect: "withdraw", account: of, instrument: on, order: order.id, reason: "deleveraged" };
    }
    const held = this.#floor.positions.held(step.account, step.instrument);
    if (held === 0) return null;
    const grid = this.#floor.grid(step.instrument);
    return {
      id,
      effect: "close",
      saga: `s${this.#n}`,
      account: step.account,
      instrument: step.instrument,
      side: held > 0 ? "sell" : "buy",
      qty: grid.qtyText(Math.abs(held)),
      limit: step.limit === null ? null : grid.priceText(step.limit),
      depthShare: step.share,
      whenDeep: false,
      backing: step.budget === null ? null : { reference: grid.priceText(100), budget: String(step.budget) },
    };
  }
}
