import { type Bus, BusRefused } from "#libs/adapters/nats/index.ts";
import { type Message, type Reading, readDryRunRequest, readLimitsRequest } from "#libs/contracts/live/door.ts";
import { limitAccountsMax, limitRowsMax, type LimitsReply, type LimitsRequest } from "#libs/contracts/live/limits.ts";
import type { RpcVerb } from "#libs/contracts/live/subjects.ts";
import { Rational } from "#libs/decimal/index.ts";
import { breakerProgress, type Engine, limitUse, type Progress } from "#libs/engine/index.ts";
import type { DryRuns } from "./dry-runs.ts";

/** Answers what is asked of the follower's copy of a shard's book. Of several followers one answers. */
export function answerDryRuns(bus: Bus, shard: string, runs: DryRuns): { stop(): void } {
  return answer(bus, shard, "dry-run", readDryRunRequest, async (asked) => runs.ask(asked));
}

/** The same of how far limits are used: of some accounts at a time, so that the follower keeps up. */
export function answerLimits(
  bus: Bus,
  shard: string,
  book: () => { readonly engine: Engine; readonly seq: number } | null,
): { stop(): void } {
  return answer(bus, shard, "limits", readLimitsRequest, (asked) => {
    const of = book();
    if (of === null) throw new BusRefused(503, "recovering");
    return limitsOf(of.engine, of.seq, asked);
  });
}

const half = Rational.fraction(1n, 2n);
const shareDecimals = 4;

function limitsOf(engine: Engine, seq: number, { from = 0 }: LimitsRequest): LimitsReply {
  const { used, sums, next } = limitUse(engine, from, limitAccountsMax, half, limitRowsMax);
  const { accounts, equity, im, notional, dayProfit } = sums;
  return {
    seq,
    t: engine.machine.t,
    accounts: [...used],
    next,
    sums: {
      accounts,
      equity: equity.toStringDown(),
      im: im.toStringUp(),
      notional: notional.toStringUp(),
      dayProfit: dayProfit.toStringDown(),
    },
    exchange: breakerProgress(engine.machine).map(rowOf),
  };
}

const rowOf = ({ what, of, value, bound }: Progress): LimitsReply["exchange"][number] => ({
  what,
  of,
  value: value.toStringUp(),
  bound: bound.toStringDown(),
  share: value.dividedBy(bound).toStringUp(shareDecimals),
});

function answer<T>(
  bus: Bus,
  shard: string,
  verb: RpcVerb,
  read: (data: Message) => Reading<T>,
  give: (asked: T) => unknown,
): { stop(): void } {
  return bus.respond(
    bus.names.subjects.rpc(shard, verb),
    async (data) => {
      const asked = read(data);
      if (asked.ok) return give(asked.value);
      const { problems } = asked;
      throw new BusRefused(400, "unreadable", { error: { code: 400, text: "unreadable" }, problems });
    },
    { queue: `${verb}-${shard}` },
  );
}
