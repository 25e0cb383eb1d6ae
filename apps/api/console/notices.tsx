import { duration } from "./format.ts";
import { connection } from "./live.ts";
import { now } from "./ticking.ts";

/** What everybody must know at once: that the numbers on the screen are no longer the exchange's. */
export function Notices() {
  const { state, since } = connection.value;
  return (
    <div class="notices" role="alert">
      {state === "lost" ? (
        <p class="notice bad">
          <strong>Connection lost {duration(Math.max(0, now.value - since))} ago.</strong> Every number below is old.
          Trying again.
        </p>
      ) : null}
    </div>
  );
}
