import { duration } from "./format.ts";
import { connection, useChannel } from "./live.ts";
import { isOld } from "./parts/freshness.tsx";
import { now } from "./ticking.ts";

/** What everybody must know at once: that the numbers on the screen are no longer the exchange's. */
export function Notices() {
  const { state, since } = connection.value;
  const seen = useChannel("halts").value;
  return (
    <div class="notices" role="alert">
      {state === "lost" ? (
        <p class="notice bad">
          <strong>Connection lost {duration(Math.max(0, now.value - since))} ago.</strong> Every number below is old.
          Trying again.
        </p>
      ) : null}
      {state === "live" && isOld(seen) ? (
        <p class="notice warn">
          <strong>Connected, but the numbers are old:</strong> the newest marks behind them are{" "}
          {seen.markAgeMs === null ? "of another time" : `${duration(seen.markAgeMs)} old`}.
        </p>
      ) : null}
    </div>
  );
}
