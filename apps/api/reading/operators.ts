import { readFacts, readHalts, readReconciliations } from "#libs/adapters/postgres/index.ts";
import type { ExchangeReply, ShardStatus } from "#libs/contracts/live/margin.ts";
import { NoResponders, BusTimeout, BusRefused } from "#libs/adapters/nats/index.ts";
import type { Handlers } from "../http/app.ts";
import { beforeOf, pageSize } from "../http/door.ts";
import { ApiRefused } from "../http/refused.ts";
import { limits } from "../limits.ts";
import type { Parts } from "../parts.ts";

/** A shard of this deployment; throws `ApiRefused` for another. */
export function knownShard({ settings }: Parts, shard: string | undefined): string {
  const found = shard ?? settings.shards[0] ?? "0";
  if (!settings.shards.includes(found)) throw new ApiRefused("not_found", { reason: "there is no such shard" });
  return found;
}

async function shards(parts: Parts): Promise<Record<string, ShardStatus | null>> {
  const { bus, settings } = parts;
  const asked = settings.shards.map(async (shard) => {
    try {
      const status = await bus.request<ShardStatus>(
        bus.names.subjects.rpc(shard, "status"),
        {},
        { timeoutMs: limits.rpcMs },
      );
      return [shard, status] as const;
    } catch (error) {
      if (error instanceof NoResponders || error instanceof BusTimeout || error instanceof BusRefused)
        return [shard, null] as const;
      throw error;
    }
  });
  return Object.fromEntries(await Promise.all(asked));
}

async function exchange({ bus, settings }: Parts) {
  const asked = settings.shards.map(async (shard) => {
    const subject = bus.names.subjects.rpc(shard, "exchange");
    const reply = await bus.request<ExchangeReply>(subject, {}, { timeoutMs: limits.rpcMs });
    return [shard, { logSeq: reply.appliedSeq, exchange: reply.exchange }] as const;
  });
  return Object.fromEntries(await Promise.all(asked));
}

/** Routes by which operators see the state of everything. */
export function operatorHandlers(parts: Parts): Handlers {
  const { db, settings } = parts;
  return {
    shards: async () => ({ body: { shards: await shards(parts) } }),
    exchange: async () => ({ body: { shards: await exchange(parts) } }),
    async halts() {
      const all = await Promise.all(
        settings.shards.map(async (shard) =>
          (await readHalts(db, shard)).map((one) => ({ shard, ...one, id: one.id ?? "" })),
        ),
      );
      return { body: { halts: all.flat() } };
    },
    async facts({ query }) {
      const limit = pageSize(query);
      const before = beforeOf(query);
      const { fact, account } = query;
      const facts = await readFacts(db, knownShard(parts, query["shard"]), {
        limit,
        ...(before === null ? {} : { before }),
        ...(fact === undefined ? {} : { fact }),
        ...(account === undefined ? {} : { account }),
      });
      return { body: { facts, before: facts.length < limit ? null : (facts.at(-1)?.seq ?? null) } };
    },
    async reconciliations({ query }) {
      return { body: { runs: await readReconciliations(db, knownShard(parts, query["shard"])) } };
    },
  };
}
