import type { Halt } from "#libs/contracts/stream/market.ts";
import { useState } from "preact/hooks";
import { useCommand } from "./command.ts";
import { isTyped, typedScope } from "./confirm-scope.ts";
import { haltStates, scopeText, stateMeaning, stateWords } from "./exchange-state.ts";
import { Field } from "./parts/basics.tsx";
import { CommandResult } from "./parts/command-result.tsx";
import { Dialog } from "./parts/dialog.tsx";
import { ReasonField, reasonHolds } from "./parts/reason.tsx";
import { TypedScopeField } from "./parts/typed-scope.tsx";

/** Opens a scope, wholly or by steps. What loosens is proposed, and carried out once a second person has approved it. */
export function ReleaseDialog({ halt, close }: { readonly halt: Halt; readonly close: () => void }) {
  const milder = haltStates.slice(0, haltStates.indexOf(halt.state));
  const [to, setTo] = useState<(typeof haltStates)[number]>("normal");
  const [typed, setTyped] = useState("");
  const [reason, setReason] = useState("");
  const { state, send } = useCommand("/v1/commands/halt");
  const ready = isTyped(typed, typedScope(halt)) && reasonHolds(reason) && state.kind !== "sending";
  const done = state.kind === "done";
  return (
    <Dialog title={`Release ${scopeText(halt)}`} close={close}>
      <form
        class="stack"
        onSubmit={(event) => {
          event.preventDefault();
          void send({ scope: halt.scope, ...(halt.id === null ? {} : { id: halt.id }), state: to, reason }, "halts");
        }}
      >
        {done ? null : (
          <>
            <Field label="To" hint={stateMeaning[to]}>
              {(ids) => (
                <select
                  {...ids}
                  name="to"
                  value={to}
                  onChange={({ currentTarget }) => setTo(currentTarget.value as typeof to)}
                >
                  {milder.map((one) => (
                    <option key={one} value={one}>
                      {stateWords[one]}
                    </option>
                  ))}
                </select>
              )}
            </Field>
            <ReasonField reason={reason} change={setReason} />
            <TypedScopeField expected={typedScope(halt)} typed={typed} change={setTyped} />
          </>
        )}
        <CommandResult state={state} />
        <div class="row end">
          <button type="button" onClick={close}>
            {done ? "Close" : "Cancel"}
          </button>
          {done ? null : (
            <button type="submit" class="primary" disabled={!ready}>
              Propose the release
            </button>
          )}
        </div>
      </form>
    </Dialog>
  );
}
