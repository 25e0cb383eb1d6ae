import { createHistogram, performance, type RecordableHistogram } from "node:perf_hooks";
import type { CommandView } from "#libs/contracts/api/commands.ts";
import { ApiExchange } from "#test/support/api-exchange.ts";

/*
 * Usage: node --import tsx test/bench/halt.ts [halts]. From the POST of a global halt to the answer of the last pre-trade check that is
 * accepted, asked over NATS one after the other as fast as they are answered, and to the API's own answer; each halt is then released by two
 * people. So many checks may be refused as `overloaded` before one is for the halt: what counts is that none is accepted any more.
 */
const halts = Number(process.argv[2] ?? 200);
import { asBuilt } from "./built.ts";
const reason = "how fast it is";
await asBuilt();
const exchange = await ApiExchange.start();
const [stopped, answered] = [createHistogram(), createHistogram()];

/** ms from now to the last check that is accepted, before the first that is refused for a halt. */
async function untilRefused(): Promise<number> {
  const started = performance.now();
  let accepted = started;
  for (;;) {
    const { codes } = await exchange.check("alice");
    if (codes.includes("halted")) return accepted - started;
    if (codes.length === 0) accepted = performance.now();
  }
}

async function halt(at: number): Promise<void> {
  const body = JSON.stringify({ scope: "global", state: "reduce_only", reason });
  const authorization = `Bearer ${await exchange.token(`operator:o${at}`)}`;
  const headers = { authorization, "content-type": "application/json", "idempotency-key": `halt-${at}` };
  const seen = untilRefused();
  const started = performance.now();
  const reply = await fetch(`${exchange.url}/v1/commands/halt`, { method: "POST", headers, body });
  record(answered, performance.now() - started);
  if (reply.status !== 200) throw new Error(`halt ${at}: ${await reply.text()}`);
  record(stopped, await seen);
  const release = { scope: "global", state: "normal", reason };
  const { id, payloadHash } = (await exchange.post<CommandView>("/v1/commands/halt", `operator:o${at}`, release)).body;
  const approved = await exchange.post(`/v1/commands/${id}/approve`, `officer:f${at}`, { payloadHash, reason });
  if (approved.status !== 200) throw new Error(`release ${at}: ${JSON.stringify(approved.body)}`);
}

const record = (histogram: RecordableHistogram, ms: number): void =>
  histogram.record(Math.max(1, Math.round(ms * 1_000)));
const shown = (histogram: RecordableHistogram): string =>
  [50, 99, 100].map((percent) => `p${percent} ${(histogram.percentile(percent) / 1_000).toFixed(1)} ms`).join(", ");

try {
  for (let at = 0; at < halts + 10; at += 1) {
    await halt(at);
    // The first ones warm up.
    if (at === 9) for (const histogram of [stopped, answered]) histogram.reset();
  }
  console.log(`${halts} halts: last accepted check ${shown(stopped)}; answer of the API ${shown(answered)}`);
} finally {
  await exchange.stop();
}
