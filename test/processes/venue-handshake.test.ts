import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { expect, test } from "vitest";
import { connectBus } from "#libs/adapters/nats/index.ts";
import { HandshakeReplySchema } from "#libs/contracts/live/replies.ts";
import type { HandshakeReply, OpenOrder } from "#libs/contracts/live/venue.ts";
import { hasShape } from "#libs/contracts/shape.ts";
import { startNats } from "#libs/process/servers/index.ts";
import { spawnApp } from "#libs/process/spawn-app.ts";
import { Journal } from "#apps/venue/journal/journal.ts";
import { venueDocument } from "../support/venue.ts";

const orderCount = 12_000;
const accountCount = 40;
const messageMax = 1_000_000;
const within = { timeoutMs: 5_000 };
const idLength = 48;

/** A journal in which that many orders rest. */
function manyOrders(folder: string): readonly OpenOrder[] {
  const journal = Journal.open(`${folder}/venue`, ["0"], () => venueDocument);
  const expected: OpenOrder[] = [];
  for (let at = 0; at < orderCount; at += 1) {
    const account = `trader-${at % accountCount}`;
    const id = `o${at}`.padEnd(idLength, "-");
    const terms = { account, id, instrument: "BTC-PERP", lots: 1 + (at % 7), market: false, ioc: false };
    const side = { side: "buy", limit: 50 + (at % 40), reduceOnly: false } as const;
    journal.write({
      c: "place",
      t: 1,
      terms: { ...terms, ...side },
      approval: { request: `r${at}`, epoch: 1, until: 9 },
    });
    const price = String(side.limit / 2);
    expected.push({
      account,
      id,
      instrument: "BTC-PERP",
      side: "buy",
      qty: `0.0${terms.lots}`,
      price,
      reduceOnly: false,
    });
  }
  journal.close();
  return expected;
}

test("open orders beyond one message are told in pages, all as of one moment", async () => {
  const folder = mkdtempSync(`${tmpdir()}/plimsoll-venue-`);
  writeFileSync(`${folder}/rules.json`, JSON.stringify(venueDocument));
  const expected = manyOrders(folder);
  const nats = await startNats();
  const bus = await connectBus({ url: nats.url, name: "test", namespace: "" });
  const venue = await spawnApp("venue", {
    NATS_URL: nats.url,
    PLIMSOLL_DATA: folder,
    PLIMSOLL_RULES: `${folder}/rules.json`,
  });
  const ask = (body: object): Promise<HandshakeReply> =>
    bus.request(bus.names.subjects.venue("handshake"), { shard: "0", ...body }, { timeoutMs: 20_000 });
  try {
    await venue.whenMessage("ready");
    const first = await ask({ epoch: 3 });
    const orders: OpenOrder[] = [];
    for (let page = first; ; page = await ask({ epoch: 3, from: page.next })) {
      expect(hasShape(HandshakeReplySchema, page)).toBe(true);
      expect(JSON.stringify(page).length).toBeLessThan(messageMax);
      expect(page.lastSeq).toBe(first.lastSeq);
      orders.push(...page.openOrders);
      if (page.next === null) break;
      // What happens between two pages is not in them.
      const gone = { account: page.openOrders[0]?.account, id: page.openOrders[0]?.id };
      await bus.request(bus.names.subjects.trading("cancel"), gone, within);
    }
    expect(orders).toEqual(expected);
    // A page of a moment that is no longer known is one of another moment, which its number says.
    const { lastSeq } = await ask({ epoch: 4 });
    expect(lastSeq).toBeGreaterThan(first.lastSeq);
    expect((await ask({ epoch: 4, from: 2_000 })).lastSeq).toBe(lastSeq);
    await bus.request(bus.names.subjects.trading("cancel-all"), { account: "trader-1" }, within);
    expect((await ask({ epoch: 5, from: 2_000 })).lastSeq).toBeGreaterThan(lastSeq);
  } finally {
    await venue.stop();
    await bus.close();
    await nats.stop();
    rmSync(folder, { recursive: true, force: true });
  }
});
