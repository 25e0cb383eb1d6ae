import { useState } from "preact/hooks";
import { useCommand } from "./command.ts";
import { isTyped, typedScope } from "./confirm-scope.ts";
import { haltStates, scopeText, stateMeaning, stateWords } from "./exchange-state.ts";
import { useChannel } from "./live.ts";
import { Card, Field } from "./parts/basics.tsx";
import { CommandResult } from "./parts/command-result.tsx";
import { Dialog } from "./parts/dialog.tsx";
import { ReasonField, reasonHolds } from "./parts/reason.tsx";
import { route } from "./router.ts";
import { TypedScopeField } from "./parts/typed-scope.tsx";

const scopes = ["global", "instrument", "account", "entity"] as const;
type Scope = (typeof scopes)[number];
const closing = haltStates.filter((state) => state !== "normal");
type Closing = Exclude<(typeof haltStates)[number], "normal">;

const isScope = (text: string | null): text is Scope => scopes.some((scope) => scope === text);

interface Wanted {
  readonly scope: Scope;
  readonly id: string | null;
  readonly state: Closing;
}

/** Chooses what to halt and how far; nothing is sent before the scope has been typed. */
export function HaltForm() {
  const given = route.value;
  const [scope, setScope] = useState<Scope>(isScope(given.id) ? given.id : "global");
  const [id, setId] = useState(given.part ?? "");
  const [state, setState] = useState<Closing>("no_new_orders");
  const [asked, ask] = useState<Wanted | null>(null);
  const wanted: Wanted = { scope, id: scope === "global" ? null : id.trim(), state };
  return (
    <Card title="Halt" class="half halt-card">
      <form
        class="stack"
        onSubmit={(event) => {
          event.preventDefault();
          ask(wanted);
        }}
      >
        <fieldset class="segments">
          <legend>Scope</legend>
          {scopes.map((one) => (
            <label key={one} class={scope === one ? "chosen" : ""}>
              <input type="radio" name="scope" value={one} checked={scope === one} onChange={() => setScope(one)} />
              {one === "global" ? "Whole exchange" : one[0]?.toUpperCase() + one.slice(1)}
            </label>
          ))}
        </fieldset>
        {scope === "global" ? null : <ScopeId scope={scope} id={id} change={setId} />}
        <fieldset class="choices">
          <legend>State</legend>
          {closing.map((one) => (
            <label key={one} class={state === one ? "chosen" : ""}>
              <input type="radio" name="state" value={one} checked={state === one} onChange={() => setState(one)} />
              <span>
                <b>{stateWords[one]}</b>
                <small>{stateMeaning[one]}</small>
              </span>
            </label>
          ))}
        </fieldset>
        <button type="submit" class="danger huge" disabled={scope !== "global" && id.trim() === ""}>
          Halt {scopeText(wanted)} …
        </button>
      </form>
      {asked === null ? null : <HaltDialog wanted={asked} close={() => ask(null)} />}
    </Card>
  );
}

function ScopeId(props: { readonly scope: Scope; readonly id: string; readonly change: (id: string) => void }) {
  const marks = useChannel("marks").value.data;
  const known = props.scope === "instrument" ? Object.keys(marks?.marks ?? {}).sort() : [];
  return (
    <Field label={`${props.scope[0]?.toUpperCase() ?? ""}${props.scope.slice(1)} id`}>
      {(ids) => (
        <>
          <input
            {...ids}
            name="id"
            list="scope-ids"
            autocomplete="off"
            required
            value={props.id}
            onInput={({ currentTarget }) => props.change(currentTarget.value)}
          />
          <datalist id="scope-ids">
            {known.map((one) => (
              <option key={one} value={one} />
            ))}
          </datalist>
        </>
      )}
    </Field>
  );
}

function HaltDialog({ wanted, close }: { readonly wanted: Wanted; readonly close: () => void }) {
  const [typed, setTyped] = useState("");
  const [reason, setReason] = useState("");
  const { state, send } = useCommand("/v1/commands/halt");
  const ready = isTyped(typed, typedScope(wanted)) && reasonHolds(reason) && state.kind !== "sending";
  const done = state.kind === "done";
  return (
    <Dialog title={`${stateWords[wanted.state]}: ${scopeText(wanted)}`} close={close} class="danger">
      <form
        class="stack"
        onSubmit={(event) => {
          event.preventDefault();
          const { scope, id } = wanted;
          void send({ scope, ...(id === null ? {} : { id }), state: wanted.state, reason }, "halts");
        }}
      >
        <p>
          <b>{stateMeaning[wanted.state]}</b> It takes effect at once and stays until it is released, which needs a
          second person.
        </p>
        {done ? null : (
          <>
            <ReasonField reason={reason} change={setReason} />
            <TypedScopeField expected={typedScope(wanted)} typed={typed} change={setTyped} />
          </>
        )}
        <CommandResult state={state} />
        <div class="row end">
          <button type="button" onClick={close}>
            {done ? "Close" : "Cancel"}
          </button>
          {done ? null : (
            <button type="submit" class="danger" disabled={!ready}>
              HALT {scopeText(wanted)}
            </button>
          )}
        </div>
      </form>
    </Dialog>
  );
}
