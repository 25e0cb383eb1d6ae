import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { Ajv } from "ajv";
import { expect, test } from "vitest";
import { asyncApiText } from "#apps/cli/asyncapi.ts";
import { liveEntrySchemas } from "#libs/contracts/live/entries.ts";
import { rpcVerbs, tradingVerbs, venueVerbs } from "#libs/contracts/live/subjects.ts";
import { channelKinds } from "#libs/contracts/stream/channels.ts";
import { liveEntries } from "#test/support/live-entries.ts";

const file = new URL("../../docs/asyncapi.json", import.meta.url);
const official = createRequire(import.meta.url)("@asyncapi/specs/schemas/3.0.0-without-$id.json") as object;

interface Document {
  readonly channels: Readonly<Record<string, { address: string | null; messages: { message: { payload: object } } }>>;
}
const document = JSON.parse(asyncApiText()) as Document;

test("docs/asyncapi-stream.json is what `plimsoll asyncapi --stream docs/asyncapi-stream.json` writes, by the schema of AsyncAPI", () => {
  const text = asyncApiText(true);
  expect(readFileSync(new URL("../../docs/asyncapi-stream.json", import.meta.url), "utf8")).toBe(text);
  const validate = new Ajv({ strict: false, allErrors: true, logger: false, validateFormats: false }).compile(official);
  expect(validate(JSON.parse(text)) ? [] : validate.errors).toEqual([]);
  for (const name of Object.keys(channelKinds)) expect(text).toContain(`"${name}Snapshot"`);
});

test("docs/asyncapi.json is what `plimsoll asyncapi docs/asyncapi.json` writes", () => {
  expect(readFileSync(file, "utf8")).toBe(asyncApiText());
});

test("the document is one by the schema of AsyncAPI 3.0", () => {
  const validate = new Ajv({ strict: false, allErrors: true, logger: false, validateFormats: false }).compile(official);
  expect(validate(document) ? [] : validate.errors).toEqual([]);
  expect(validate({ ...document, channels: { x: { address: 5 } } })).toBe(false);
});

test("every kind of entry and every verb has its channel", () => {
  const addresses = Object.values(document.channels).map(({ address }) => address);
  for (const kind of Object.keys(liveEntrySchemas)) expect(addresses).toContain(`risk.log.{shard}.${kind}`);
  for (const verb of rpcVerbs) expect(addresses).toContain(`risk.rpc.{shard}.${verb}`);
  for (const verb of venueVerbs) expect(addresses).toContain(`venue.risk.${verb}`);
  for (const verb of tradingVerbs) expect(addresses).toContain(`venue.trade.${verb}`);
});

test.each(Object.entries(liveEntries))("a schema of the document judges a %s entry as the door does", (kind, entry) => {
  const payload = document.channels[`entry-${kind}`]?.messages.message.payload;
  const validate = new Ajv({ strict: false, unicodeRegExp: true }).compile(payload ?? {});
  expect(validate(entry) ? [] : validate.errors).toEqual([]);
  expect(validate({ ...entry, unheardOf: 1 })).toBe(false);
});
