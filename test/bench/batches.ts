import { cpus } from "node:os";
import { connect } from "nats";
import { migrate } from "#libs/adapters/postgres/index.ts";
import type { EntryBody } from "#libs/contracts/log.ts";
import { startNats, startPostgres } from "#libs/process/servers/index.ts";
import { liveShard } from "#test/support/live-shard.ts";
import { asBuilt } from "./built.ts";
import { cpuSeconds } from "./cpu-time.ts";

/*
 * node --import tsx test/bench/batches.ts [orders a batch] [batches a round] [accounts a batch]
 * Orders a second that pass the gate in batches over NATS: real NATS, PostgreSQL and the margin process, each on its own, frames ten times a
 * second. Batches are written out beforehand, so that the bench itself costs little; a round ends with its last answer, and the next begins once
 * nothing is reserved any longer.
 */
const perBatch = Number(process.argv[2] ?? 1_000);
const batches = Number(process.argv[3] ?? 40);
const accountsEach = Number(process.argv[4] ?? 10);
const rounds = 6;
const reservedMs = 1_600;
const price = "50000";
const inFlights = [1, 4];

const say = (what: string, value: string): void => void process.stdout.write(`${what.padEnd(52)} ${value}\n`);
const rest = async (ms: number): Promise<void> => new Promise((resolve) => void setTimeout(resolve, ms));
const accounts = Array.from({ length: accountsEach * 20 }, (_, at) => `a${at}`);

/** One batch after another takes the next accounts, so that no account has more reservations than it may. */
function written(round: number, batch: number): Uint8Array {
  const first = (batch * accountsEach) % accounts.length;
  const orders = Array.from({ length: perBatch }, (_, at) => {
    const account = accounts[first + Math.floor((at * accountsEach) / perBatch)] ?? "";
    const side = at % 2 === 0 ? "buy" : "sell";
    const id = `o${round}-${batch}-${at}`;
    return {
      account,
      order: { id, instrument: "BTC-PERP", side, qty: "0.001", price: side === "buy" ? "49000" : "51000" },
    };
  });
  return Buffer.from(JSON.stringify({ request: `q${round}-${batch}`, mode: "each", orders }));
}

await asBuilt();
const nats = await startNats();
const postgres = await startPostgres();
await migrate(postgres.url);
const shard = await liveShard(nats.url, postgres.url);
const frame: EntryBody = { k: "frame", index: { USDT: "1", BTC: price }, mark: { "BTC-PERP": price } };
const connection = await connect({ servers: nats.url });
const frames = setInterval(() => void shard.put("mark-price", frame).catch(() => {}), 100);
say("machine", `${cpus().length} × ${cpus()[0]?.model ?? "?"}, Node ${process.version}`);
try {
  await shard.put("mark-price", frame);
  for (const account of accounts) void shard.put("operator", { k: "cash", account, asset: "USDT", amount: "10000000" });
  const app = await shard.start();
  await app.whenMessage("ready");
  await shard.settled();
  for (const inFlight of inFlights) await measure(inFlight, app.pid);
} finally {
  clearInterval(frames);
  await connection.close();
  await shard.stop();
  await nats.stop();
  await postgres.stop();
}

async function measure(inFlight: number, margin: number): Promise<void> {
  const subject = shard.bus.names.subjects.rpc("0", "batch");
  const found: number[] = [];
  let accepted = 0;
  const processes = { margin, NATS: nats.pid, "this bench": process.pid };
  const cpu = (): number[] => Object.values(processes).map(cpuSeconds);
  let spent = [0, 0, 0];
  for (let round = 0; round < rounds; round += 1) {
    const asked = Array.from({ length: batches }, (_, batch) => written(round * 10 + inFlight, batch));
    await rest(reservedMs);
    const before = cpu();
    const at = performance.now();
    let next = 0;
    const answers: Uint8Array[] = [];
    const worker = async (): Promise<void> => {
      for (let number = next++; number < batches; number = next++) {
        const answer = await connection.request(subject, asked[number], { timeout: 10_000 });
        answers.push(answer.data);
      }
    };
    await Promise.all(Array.from({ length: inFlight }, worker));
    const seconds = (performance.now() - at) / 1000;
    const now = cpu();
    for (const one of answers) {
      // A shard that may not answer refuses a batch as a whole.
      const { results = [] } = JSON.parse(Buffer.from(one).toString()) as { results?: { decision: string }[] };
      accepted += results.filter(({ decision }) => decision === "accept").length;
    }
    // The first one warms up.
    if (round === 0) accepted = 0;
    else {
      found.push((batches * perBatch) / seconds);
      spent = spent.map((sum, one) => sum + (now[one] ?? 0) - (before[one] ?? 0));
    }
  }
  const sorted = found.toSorted((left, right) => left - right);
  const orders = (rounds - 1) * batches * perBatch;
  const [least, median, most] = [sorted[0], sorted[Math.floor(sorted.length / 2)], sorted.at(-1)];
  const rate = (one = 0): string => `${Math.round(one / 1000)}k`;
  say(
    `batches of ${perBatch} over ${accountsEach} accounts, ${inFlight} in flight`,
    `${rate(median)} orders/s (${rate(least)} to ${rate(most)}), accepted ${accepted} of ${orders}`,
  );
  const each = Object.keys(processes).map((name, one) => `${name} ${((1e6 * (spent[one] ?? 0)) / orders).toFixed(2)}`);
  say("  processor time of an order, µs", each.join(", "));
}
