import { randomBytes } from "node:crypto";
import { connectBus, ensureStreams, openEntryWriter } from "#libs/adapters/nats/index.ts";
import type { Bus } from "#libs/adapters/nats/index.ts";
import { lastOutboxSeq, openDatabase } from "#libs/adapters/postgres/index.ts";
import { sources } from "#libs/contracts/live/subjects.ts";
import { compileRules } from "#libs/domain/rule-set/compile.ts";
import { wait } from "#libs/process/backoff.ts";
import { clockFrom, type MarketClock } from "#libs/process/clock.ts";
import type { App } from "#libs/process/lifecycle.ts";
import type { Settings } from "#libs/process/settings.ts";
import { replaySteps, type ReplayStep } from "#libs/simulation/market-replay.ts";
import { Random } from "#libs/simulation/random.ts";
import { createLogger, type Logger } from "#libs/telemetry/logger.ts";
import type { CrowdOptions } from "../demo-rules.ts";
import { Owners } from "../matching/grid.ts";
import { OrderDesk } from "./desk.ts";
import { Desk } from "./money.ts";
import { Person, gatheringSteps, quote } from "./people.ts";
import { type CrowdPlan, parSource, planCrowd, startingCash } from "./plan.ts";
import { readRecording, recordingFolder } from "./recording.ts";

/** Of those who are warned, so many bring more money: this share of what they began with. */
const topUpChance = 0.1;
const topUpShare = 0.3;
/** Steps this far in the past are passed over: a slow machine must not fall ever further behind. */
const lateMs = 60_000;
const reportEverySteps = 40;

interface Parts {
  readonly bus: Bus;
  readonly desk: Desk;
  readonly orders: OrderDesk;
  readonly owners: Owners;
  readonly plan: CrowdPlan;
  readonly clock: MarketClock;
  readonly logger: Logger;
}

/** The crowd of the demonstration: prices as recorded, makers around them, traders with leverage, by the market's clock. */
export async function runCrowd(app: App, settings: Settings, options: CrowdOptions): Promise<void> {
  const logger = createLogger("crowd", settings.logLevel);
  app.logTo(logger);
  const crash = readRecording(recordingFolder(options.crash));
  const plan = planCrowd(crash, options);
  const owners = new Owners(compileRules(plan.rules, 1).rules, settings.shards);
  const bus = await connectBus({
    url: settings.natsUrl,
    user: settings.natsUser,
    password: settings.natsPassword,
    name: "crowd",
    namespace: settings.namespace,
    logger,
  });
  app.onStop(() => bus.close());
  await ensureStreams(bus, settings.shards);
  const db = openDatabase({ url: settings.databaseUrl, name: "crowd" });
  app.onStop(() => db.close());
  const writers = new Map(
    await Promise.all(
      settings.shards.map(async (shard) => {
        const lastSeq = await lastOutboxSeq(db, sources.operator, shard);
        return [shard, openEntryWriter(bus, { shard, source: sources.operator, lastSeq })] as const;
      }),
    ),
  );
  const clock = clockFrom(settings.clock);
  const desk = new Desk(db, clock, writers, (error) => logger.warn({ error }, "deposits could not be published"));
  app.onStop(() => desk.stop());
  const orders = new OrderDesk(bus, randomBytes(4).toString("hex"));
  const parts: Parts = { bus, desk, orders, owners, plan, clock, logger };
  await endow(parts, settings.shards);
  const topUps = topUpOnWarning(parts, options.seed, app);
  app.onStop(() => topUps.stop());
  logger.info({ traders: plan.traders.length, makers: plan.makers.length }, "ready");
  void follow(app, parts, replaySteps(crash, plan.markRules), options.seed).catch((error: unknown) => app.fail(error));
}

/** Fund, house and everybody's cash; a second start of the same deployment adds nothing. */
async function endow({ desk, owners, plan }: Parts, shards: readonly string[]): Promise<void> {
  const entries = [...startingCash(plan)].map(([account, asset, amount]) => ({
    shard: owners.shardOf(account),
    key: `crowd-cash-${account}-${asset}`,
    body: { k: "cash", account, asset, amount } as const,
  }));
  const funds = shards.flatMap((shard) =>
    (["fund", "house"] as const).map((k) => ({
      shard,
      key: `crowd-${k}`,
      body: { k, asset: "USDT", amount: plan[k] } as const,
    })),
  );
  await desk.enterAll([...funds, ...entries]);
}

async function follow(app: App, parts: Parts, steps: Iterable<ReplayStep>, seed: number): Promise<void> {
  const { plan, clock, orders, logger } = parts;
  const people = plan.traders.map((trader, at) => new Person(trader, plan, at, seed));
  let number = 0;
  for (const step of steps) {
    if (step.warmup || step.t < clock.now() - lateMs) continue;
    while (clock.now() < step.t && !app.signal.aborted) await wait((step.t - clock.now()) / clock.speed, app.signal);
    if (app.signal.aborted) return;
    tell(parts, step);
    await quote(plan, orders, step, number < gatheringSteps);
    await Promise.all(people.map((person) => person.act(orders, step, number)));
    number += 1;
    if (number % reportEverySteps === 0)
      logger.info({ step: number, t: step.t, orders: Object.fromEntries(orders.counts) }, "step");
  }
  logger.info({ steps: number }, "the recording has ended");
}

function tell({ bus }: Parts, step: ReplayStep): void {
  const { quote: subject } = bus.names.subjects;
  for (const { asset, source, price } of step.quotes) bus.publish(subject(source, asset), { price, t: step.t });
  bus.publish(subject(parSource, "USDT"), { price: "1", t: step.t });
}

/** Some bring more money when they are warned. */
function topUpOnWarning({ bus, desk, owners, plan, logger }: Parts, seed: number, app: App): { stop(): void } {
  const chance = new Random(seed, 0x7fff_fffe);
  const cash = new Map(plan.traders.map(({ account, drawn }) => [account, drawn.deposits.get("USDT") ?? 0]));
  return bus.subscribe(bus.names.subjects.allFacts, ({ data }) => {
    const { facts } = JSON.parse(new TextDecoder().decode(data)) as {
      facts: { fact: string; seq: number; account?: string }[];
    };
    for (const { fact, seq, account = "" } of facts) {
      const began = cash.get(account) ?? 0;
      if (fact !== "warning" || began <= 0 || !chance.chance(topUpChance) || app.signal.aborted) continue;
      const amount = Math.max(began * topUpShare, 1).toFixed(6);
      desk
        .enter(owners.shardOf(account), `crowd-topup-${account}-${seq}`, { k: "cash", account, asset: "USDT", amount })
        .catch((error: unknown) => logger.warn({ error, account }, "a deposit could not be entered"));
    }
  });
}
