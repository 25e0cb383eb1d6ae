import { connection, type Seen } from "../live.ts";
import { duration, whole } from "../format.ts";
import { now } from "../ticking.ts";

/** Of the market: prices older than this are said to be old. Of this page: so is what came longer ago. */
const oldMs = { marks: 5_000, received: 3_000 } as const;

export type Place = Pick<Seen<unknown>, "logSeq" | "markAgeMs" | "at" | "shard">;

export function isOld({ markAgeMs, at }: Place): boolean {
  if (at === null) return false;
  return connection.value.state !== "live" || (markAgeMs ?? 0) > oldMs.marks || now.value - at > oldMs.received;
}

/** What the numbers of a view were computed at: place in the log, age of the marks, and how long ago they came. */
export function Freshness({ of }: { readonly of: Place }) {
  if (of.at === null) return <span class="freshness">waiting for the first numbers …</span>;
  const old = isOld(of);
  const since = Math.max(0, now.value - of.at);
  return (
    <span class={`freshness ${old ? "old" : ""}`} data-seq={of.logSeq ?? ""}>
      {old ? <b>OLD</b> : null}
      <span>
        log {of.shard === null ? "" : `shard ${of.shard} `}
        <b>{of.logSeq === null ? "of all shards" : `#${whole(of.logSeq)}`}</b>
      </span>
      <span>
        marks <b>{of.markAgeMs === null ? "none yet" : `${duration(of.markAgeMs)} old`}</b>
      </span>
      <span>
        received <b>{since < 1_500 ? "just now" : `${duration(since)} ago`}</b>
      </span>
    </span>
  );
}

/** Before the first numbers, or where there will be none. */
export function Awaiting({ of, what }: { readonly of: Seen<unknown>; readonly what: string }) {
  if (of.problem !== null)
    return (
      <div class="refusal" role="alert">
        <strong>{of.problem.reason}</strong>
        <code>{of.problem.code}</code>
      </div>
    );
  return (
    <p class="nothing" role="status">
      Waiting for {what} …
    </p>
  );
}
