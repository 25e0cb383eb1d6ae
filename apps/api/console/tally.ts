import { useEffect, useRef, useState } from "preact/hooks";
import type { SagasData } from "#libs/contracts/stream/operators.ts";
import { listen, useChannel } from "./live.ts";
import { nothingSeen, type Tally, tallied } from "./tally-of.ts";

/** Counts what the channel of liquidations adds from now on. */
export function useTally(): Tally {
  useChannel("sagas");
  const [tally, setTally] = useState(nothingSeen);
  const latest = useRef(nothingSeen);
  useEffect(
    () =>
      listen(({ ch, type, data }) => {
        if (ch !== "sagas" || type !== "delta") return;
        const added = (data as Partial<SagasData>).events ?? [];
        if (added.length === 0) return;
        latest.current = tallied(latest.current, added);
        setTally(latest.current);
      }),
    [],
  );
  return tally;
}
