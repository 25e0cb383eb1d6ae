import type { Bus } from "#libs/adapters/nats/index.ts";
import { readTakeover } from "#libs/contracts/live/door.ts";
import type { TakeoverReply } from "#libs/contracts/live/provider.ts";
import { providerAccounts } from "#libs/simulation/crash-rules.ts";

/** The backup providers of the demonstration acknowledge what they took over, as real ones do. */
export function acknowledgeTakeovers(bus: Bus): { stop(): void } {
  const answers = providerAccounts.map((account) =>
    bus.respond(bus.names.subjects.takeover(account), (data): TakeoverReply => {
      const read = readTakeover(data);
      if (!read.ok) throw new Error("a take-over cannot be read");
      return { id: read.value.id, state: "accepted" };
    }),
  );
  return { stop: () => answers.forEach((one) => one.stop()) };
}
