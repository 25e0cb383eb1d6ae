import { randomBytes } from "node:crypto";
import { connectBus, ensureStreams } from "#libs/adapters/nats/index.ts";
import type { Bus } from "#libs/adapters/nats/index.ts";
import { openDatabase } from "#libs/adapters/postgres/index.ts";
import { compileRules } from "#libs/domain/rule-set/compile.ts";
import { wait } from "#libs/process/backoff.ts";
import { clockFrom, type MarketClock } from "#libs/process/clock.ts";
import type { App } from "#libs/process/lifecycle.ts";
import type { Settings } from "#libs/process/settings.ts";
import { replaySteps, type ReplayStep } from "#libs/simulation/market-replay.ts";
import { frameMs } from "#libs/simulation/price-points.ts";
import { Random } from "#libs/simulation/random.ts";
import { createLogger, type Logger } from "#libs/telemetry/logger.ts";
import type { CrowdOptions } from "../demo-rules.ts";
import { Owners } from "../matching/grid.ts";
import { OrderDesk } from "./desk.ts";
import { Desk } from "./money.ts";
import { Person, gatheringSteps, quote } from "./people.ts";
import { type CrowdPlan, planCrowd, startingCash } from "./plan.ts";
import { PricePath } from "./price-path.ts";
import { acknowledgeTakeovers } from "./providers.ts";
import { readRecording, recordingFolder } from "./recording.ts";

/** Of those who are warned, so many bring more money: this share of what they began with. */
const topUpChance = 0.1;
const topUpShare = 0.3;
/** Steps this far in the past are passed over: a slow machine must not fall ever further behind. */
const lateMs = 60_000;
const reportEverySteps = 40;
/** Shares of the time between two steps: prices walk to where they were recorded, then people come one by one. */
const walking = 0.5;
const trading = 0.3;

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
  await ensureStreams(bus, settings.shards, { replicas: settings.streamReplicas });
  const db = openDatabase({ url: settings.databaseUrl, name: "crowd" });
  app.onStop(() => db.close());
  const clock = clockFrom(settings.clock);
  const desk = new Desk(db, clock);
  const orders = new OrderDesk(bus, randomBytes(4).toString("hex"));
  const parts: Parts = { bus, desk, orders, owners, plan, clock, logger };
  await endow(parts, settings.shards);
  const topUps = topUpOnWarning(parts, options.seed, app);
  app.onStop(() => topUps.stop());
  const providers = acknowledgeTakeovers(bus);
  app.onStop(() => providers.stop());
  logger.info({ traders: plan.traders.length, makers: plan.makers.length }, "ready");
  const { seed, to } = options;
  void follow(app, parts, replaySteps(crash, plan.markRules), { seed, to: to ?? crash.manifest.to }).catch(
    (error: unknown) => app.fail(error),
  );
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

async function follow(
  app: App,
  parts: Parts,
  steps: Iterable<ReplayStep>,
  { seed, to }: { readonly seed: number; readonly to: number },
): Promise<void> {
  const { bus, plan, clock, orders, logger } = parts;
  const people = plan.traders.map((trader, at) => new Person(trader, plan, at, seed));
  const prices = new PricePath(bus, clock);
  const stepWallMs = frameMs / clock.speed;
  let number = 0;
  for (const step of steps) {
    if (step.warmup || step.t < clock.now() - lateMs) continue;
    if (step.t > to) break;
    while (clock.now() < step.t && !app.signal.aborted) await wait((step.t - clock.now()) / clock.speed, app.signal);
    if (app.signal.aborted) return;
    await prices.walk(step, stepWallMs * walking, app.signal);
    await quote(plan, orders, step, number < gatheringSteps);
    // Nobody comes before the doors are open: marks must have been good for a while before a halt for their want is lifted.
    if (number === 0 && !orders.accepted) continue;
    await Promise.all(people.map((person) => person.act(orders, step, number, stepWallMs * trading)));
    number += 1;
    if (number % reportEverySteps === 0)
      logger.info({ step: number, t: step.t, orders: Object.fromEntries(orders.counts) }, "step");
  }
  logger.info({ steps: number }, "the recording has ended");
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
