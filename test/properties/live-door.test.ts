import fc from "fast-check";
import type { TSchema } from "typebox";
import { expect, test } from "vitest";
import * as door from "#libs/contracts/live/door.ts";
import { liveEntrySchemas } from "#libs/contracts/live/entries.ts";
import { AccountRequest, ReconcileRequest, StatusRequest } from "#libs/contracts/live/margin.ts";
import * as preTrade from "#libs/contracts/live/pre-trade.ts";
import { BookPrice, Quote } from "#libs/contracts/live/prices.ts";
import * as venue from "#libs/contracts/live/venue.ts";
import { ProblemList } from "#libs/contracts/problems.ts";
import { checkShape, hasShape } from "#libs/contracts/shape.ts";
import { liveEntries } from "#test/support/live-entries.ts";
import { mutationsOf, textMutationsOf } from "#test/support/mutations.ts";
import { propertyOptions } from "#test/support/property.ts";

const order = { id: "o-1", instrument: "BTC-PERP", side: "buy", qty: "1", price: "5", reduceOnly: true };
const asked = { request: "r-1", deadline: 5, account: "alice" };
const of = { id: "1-2-3", saga: "1-2" };
const close = {
  ...of,
  effect: "close",
  account: "alice",
  instrument: "BTC-PERP",
  side: "sell",
  qty: "1",
  limit: "4.5",
  depthShare: "0.1",
  whenDeep: false,
  backing: { reference: "4.5", budget: "0" },
};
const block = { ...of, effect: "block", account: "alice", instrument: null };
const command = { shard: "0", epoch: 1, attempt: 1 };

type Read = (message: string | Uint8Array) => { readonly ok: boolean };
/** Every border but the log's: its schema, a sound message, its reader. */
const borders: readonly (readonly [name: string, schema: TSchema, sound: unknown, read: Read])[] = [
  ["check", preTrade.CheckRequest, { ...asked, order }, door.readCheck],
  ["amend", preTrade.AmendRequest, { ...asked, order: "o", qty: "1", price: "2" }, door.readAmend],
  ["cancel", preTrade.CancelRequest, { ...asked, order: "o" }, door.readCancel],
  ["batch", preTrade.BatchRequest, { request: "r", mode: "each", orders: [{ account: "a", order }] }, door.readBatch],
  ["what-if", preTrade.WhatIfRequest, { ...asked, order, index: { B: "1" }, mark: { P: "2" } }, door.readWhatIf],
  ["status", StatusRequest, { hash: true, riskiest: 5 }, door.readStatusRequest],
  ["account", AccountRequest, { account: "a" }, door.readAccountRequest],
  ["reconcile", ReconcileRequest, { after: "a", limit: 5 }, door.readReconcileRequest],
  ["quote", Quote, { price: "1", size: "2", t: 3 }, door.readQuote],
  ["book", BookPrice, { instrument: "P", price: "1", t: 3 }, door.readBookPrice],
  ["close", venue.VenueCommandSchema, { ...command, effect: close }, door.readVenueCommand],
  ["block", venue.VenueCommandSchema, { ...command, effect: block }, door.readVenueCommand],
  ["handshake", venue.Handshake, { shard: "0", epoch: 5 }, door.readHandshake],
  ["resend", venue.Resend, { shard: "0", from: 1, to: 5 }, door.readResend],
  ["place", venue.PlaceOrder, { account: "a", ...order, ioc: true }, door.readPlaceOrder],
  ["cancel order", venue.CancelOrder, { account: "a", id: "o" }, door.readCancelOrder],
  ["cancel all", venue.CancelAll, { account: "a", instrument: "P" }, door.readCancelAll],
];

const entries = Object.entries(liveEntries);
const readers: readonly (readonly [string, unknown, Read])[] = [
  ...entries.map(
    ([kind, entry]) => [kind, entry, (message: string | Uint8Array) => door.readLiveEntry(message)] as const,
  ),
  ...borders.map(([name, , sound, read]) => [name, sound, read] as const),
];

const prototypes = [Object.prototype, Array.prototype, String.prototype, Map.prototype];
const inherited = prototypes.map((one) => Object.getOwnPropertyNames(one));

function readsSafely(read: Read, text: string): void {
  const reading = read(text) as { ok: boolean; problems?: { path: string; code: string; message: string }[] };
  // As bytes a lone surrogate is another text, so that only whole texts must read the same both ways.
  if (!/\p{Surrogate}/u.test(text)) expect(read(new TextEncoder().encode(text))).toEqual(reading);
  expect(prototypes.map((one) => Object.getOwnPropertyNames(one))).toEqual(inherited);
  if (reading.ok) return;
  expect(reading.problems?.length).toBeGreaterThan(0);
  for (const { path, code, message } of reading.problems ?? []) {
    expect(path).toMatch(/^\$/);
    expect(code).toMatch(/^[a-z][a-z0-9_]*$/);
    expect(message.length).toBeGreaterThan(0);
  }
}

test.each(readers)("no change of a %s makes its border throw or touches what objects inherit", (_, sound, read) => {
  expect(read(JSON.stringify(sound))).toMatchObject({ ok: true });
  fc.assert(
    fc.property(mutationsOf(sound, 3), (value) => readsSafely(read, JSON.stringify(value) ?? "")),
    propertyOptions({ numRuns: 60 }),
  );
  fc.assert(
    fc.property(textMutationsOf(JSON.stringify(sound), 3), (text) => readsSafely(read, text)),
    propertyOptions({ numRuns: 60 }),
  );
});

test("no bytes make a border throw", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), fc.constantFrom(...readers), (bytes, [, , read]) => {
      if (bytes.length > 0) expect(read(bytes)).toMatchObject({ ok: false });
    }),
    propertyOptions({ numRuns: 500 }),
  );
});

test("a key that stands twice is refused, wherever it is and however it is written", () => {
  fc.assert(
    fc.property(
      fc.constantFrom(...entries),
      fc.nat(),
      fc.boolean(),
      fc.boolean(),
      ([, entry], pick, escaped, first) => {
        const keys = Object.keys(entry);
        const key = keys[pick % keys.length] as string;
        const again = escaped ? `\\u${key.charCodeAt(0).toString(16).padStart(4, "0")}${key.slice(1)}` : key;
        const member = `"${again}":${JSON.stringify(entry[key])}`;
        const text = JSON.stringify(entry);
        const twice = first ? `{${member},${text.slice(1)}` : `${text.slice(0, -1)},${member}}`;
        const reading = door.readLiveEntry(twice);
        expect(reading.ok).toBe(false);
        if (!reading.ok) expect(reading.problems.map(({ code }) => code)).toContain("duplicate_key");
      },
    ),
    propertyOptions({ numRuns: 300 }),
  );
});

test("the two readers of every live schema agree whether a value has its shape", () => {
  const agree = (schema: TSchema, value: unknown): void => {
    const problems = new ProblemList(10);
    checkShape(schema, value, "$", problems);
    expect(problems.count === 0).toBe(hasShape(schema, value));
  };
  const schemas: readonly (readonly [TSchema, unknown])[] = [
    ...entries.map(([kind, entry]) => [liveEntrySchemas[kind as keyof typeof liveEntrySchemas], entry] as const),
    ...borders.map(([, schema, sound]) => [schema, sound] as const),
  ];
  for (const [schema, sound] of schemas) {
    agree(schema, sound);
    fc.assert(
      fc.property(mutationsOf(sound, 3), (value) => agree(schema, value)),
      propertyOptions({ numRuns: 60 }),
    );
  }
});
