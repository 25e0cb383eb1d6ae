import { useEffect, useRef, useState } from "preact/hooks";
import type { SagasData } from "#libs/contracts/stream/operators.ts";
import { listen, useChannel } from "./live.ts";
import { nothingSeen, type Tally, tallied } from "./tally-of.ts";

/** Counts what the channel of liquidations adds from now on. */
export function useTally(): Tally {
  useChannel("sagas");
  const [tally, setTally] = useState(nothingSeen);
  const latest = useRef(nothingSeen);
  useEffect(() => {
    const last = new Map<string, number>();
    let first = true;
    return listen("sagas", ({ data, fresh }) => {
      const events = (data as SagasData).events;
      const added = events.filter(({ shard, seq }) => seq > (last.get(shard) ?? 0));
      for (const { shard, seq } of added) last.set(shard, seq);
      // What was there before the view was opened is not of its time.
      const before = fresh || first;
      first = false;
      if (before || added.length === 0) return;
      latest.current = tallied(latest.current, added);
      setTally(latest.current);
    });
  }, []);
  return tally;
}
