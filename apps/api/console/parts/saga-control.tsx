import { useState } from "preact/hooks";
import { useCommand } from "../command.ts";
import { CommandResult } from "./command-result.tsx";
import { Dialog } from "./dialog.tsx";
import { ReasonField, reasonHolds } from "./reason.tsx";

/** Parks a liquidation, which takes effect at the next edge of a step; that it goes on needs a second person. */
export function SagaControl(props: { readonly shard: string; readonly saga: string; readonly account: string }) {
  const [action, setAction] = useState<"park" | "resume" | null>(null);
  const [reason, setReason] = useState("");
  const { state, send, reset } = useCommand("/v1/commands/saga");
  const done = state.kind === "done";
  const close = (): void => {
    setAction(null);
    setReason("");
    reset();
  };
  return (
    <>
      <button class="small" onClick={() => setAction("park")}>
        Park
      </button>
      <button class="small" onClick={() => setAction("resume")}>
        Resume
      </button>
      {action === null ? null : (
        <Dialog title={`${action === "park" ? "Park" : "Resume"} the liquidation of ${props.account}`} close={close}>
          <form
            class="stack"
            onSubmit={(event) => {
              event.preventDefault();
              void send({ shard: props.shard, saga: props.saga, action, reason }, "halts");
            }}
          >
            <p>
              {action === "park"
                ? "It stops at the next edge of a step, with its account paused. What is closed stays closed."
                : "It goes on where it stopped. A second person has to approve it."}
            </p>
            {done ? null : <ReasonField reason={reason} change={setReason} />}
            <CommandResult state={state} />
            <div class="row end">
              <button type="button" onClick={close}>
                {done ? "Close" : "Cancel"}
              </button>
              {done ? null : (
                <button type="submit" class="primary" disabled={!reasonHolds(reason) || state.kind === "sending"}>
                  {action === "park" ? "Park it" : "Propose to resume"}
                </button>
              )}
            </div>
          </form>
        </Dialog>
      )}
    </>
  );
}
