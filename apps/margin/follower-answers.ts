import { type Bus, BusRefused } from "#libs/adapters/nats/index.ts";
import { readDryRunRequest } from "#libs/contracts/live/door.ts";
import type { DryRuns } from "./dry-runs.ts";

/** Answers what is asked of the follower's copy of a shard's book. Of several followers one answers. */
export function answerDryRuns(bus: Bus, shard: string, runs: DryRuns): { stop(): void } {
  return bus.respond(
    bus.names.subjects.rpc(shard, "dry-run"),
    async (data) => {
      const asked = readDryRunRequest(data);
      if (asked.ok) return runs.ask(asked.value);
      const { problems } = asked;
      throw new BusRefused(400, "unreadable", { error: { code: 400, text: "unreadable" }, problems });
    },
    { queue: `dry-run-${shard}` },
  );
}
