import type { Bus } from "#libs/adapters/nats/index.ts";
import type { Database } from "#libs/adapters/postgres/index.ts";
import { shardOf } from "#libs/contracts/live/shards.ts";
import type { Access } from "#libs/access/index.ts";
import type { Clock } from "#libs/process/clock.ts";
import type { Settings } from "#libs/process/settings.ts";
import type { Logger } from "#libs/telemetry/logger.ts";
import type { Metrics } from "#libs/telemetry/metrics.ts";
import type { Prices } from "./prices.ts";
import type { RulesInForce } from "./rules-in-force.ts";

/** What the handlers work with. */
export interface Parts {
  readonly settings: Settings;
  readonly db: Database;
  readonly bus: Bus;
  readonly access: Access;
  /** The market's: entries are dated by it. */
  readonly clock: Clock;
  readonly rules: RulesInForce;
  readonly prices: Prices;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

/** The shard that an account is on: an owner's accounts share one. */
export async function shardOfAccount({ rules, settings }: Parts, account: string): Promise<string> {
  return shardOf(await rules.ownerOf(account), settings.shards);
}
