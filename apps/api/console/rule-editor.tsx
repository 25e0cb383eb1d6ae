import { useState } from "preact/hooks";
import { useCommand } from "./command.ts";
import { useDryRun } from "./dry-run.ts";
import { instant } from "./format.ts";
import { Card, Field } from "./parts/basics.tsx";
import { CommandResult } from "./parts/command-result.tsx";
import { DryRunOutcome } from "./parts/dry-run-result.tsx";
import { EmergencyFieldset, emptyEmergency } from "./parts/emergency-fields.tsx";
import { Problem } from "./parts/problem.tsx";
import { ReasonField, reasonHolds } from "./parts/reason.tsx";
import { type Read, readEmergency, readRollback, readSet } from "./rule-changes.ts";

const ways = { set: "Change", emergency: "Emergency", rollback: "Roll back" } as const;
type Way = keyof typeof ways;

interface EditorProps {
  readonly base: number;
  readonly versions: readonly { readonly version: number; readonly t: number }[];
  /** UTC ms of the market's clock. */
  readonly marketT: number;
  readonly changed: () => void;
}

/** Writes a change, tries it on the live book, proposes exactly what was tried. */
export function RuleEditor(props: EditorProps) {
  const [way, setWay] = useState<Way>("set");
  const [text, setText] = useState("");
  const [version, setVersion] = useState<number | null>(null);
  const [emergency, setEmergency] = useState(emptyEmergency);
  const dryRun = useDryRun();
  const read: Read =
    way === "set"
      ? readSet(text, props.base)
      : way === "rollback"
        ? readRollback(version, props.base)
        : readEmergency(emergency, props.marketT);
  const edited =
    <T,>(set: (value: T) => void) =>
    (value: T) => {
      dryRun.reset();
      set(value);
    };
  return (
    <Card title="Change the rules" class="two-thirds">
      <div class="chips" role="group" aria-label="Kind of change">
        {(Object.keys(ways) as Way[]).map((one) => (
          <button key={one} class="small" aria-pressed={way === one} onClick={() => edited(setWay)(one)}>
            {ways[one]}
          </button>
        ))}
      </div>
      {way === "set" ? <SetField text={text} change={edited(setText)} problem={read.problem} /> : null}
      {way === "emergency" ? (
        <EmergencyFieldset fields={emergency} change={edited(setEmergency)} problem={read.problem} />
      ) : null}
      {way === "rollback" ? <VersionField {...props} version={version} change={edited(setVersion)} /> : null}
      <div class="row">
        <button
          class="primary"
          disabled={read.change === null || dryRun.state.kind === "running"}
          onClick={() => read.change !== null && void dryRun.start(read.change)}
        >
          {dryRun.state.kind === "running" ? "Judging every account …" : "Dry run on the live book"}
        </button>
        <span class="faint">Nothing is changed by it, and the exchange does not notice.</span>
      </div>
      {dryRun.state.kind === "failed" ? <Problem of={dryRun.state.problem} /> : null}
      {dryRun.state.kind === "done" ? <DryRunOutcome reply={dryRun.state.answer.reply} /> : null}
      {dryRun.state.kind === "done" && dryRun.state.answer.reply.state === "done" ? (
        <Propose key={dryRun.state.run} tried={dryRun.state} changed={props.changed} />
      ) : null}
    </Card>
  );
}

function SetField(props: {
  readonly text: string;
  readonly change: (text: string) => void;
  readonly problem: string | null;
}) {
  return (
    <Field
      label="Change, as JSON: laid over the rules in force, lists by id"
      problem={props.problem}
      hint='For example {"instruments":[{"id":"BTC-PERP","maxLeverage":"50"}]}'
    >
      {(ids) => (
        <textarea
          {...ids}
          class="mono"
          name="set"
          rows={5}
          spellcheck={false}
          value={props.text}
          onInput={({ currentTarget }) => props.change(currentTarget.value)}
        />
      )}
    </Field>
  );
}

function VersionField(
  props: EditorProps & { readonly version: number | null; readonly change: (version: number | null) => void },
) {
  const earlier = props.versions.filter(({ version }) => version !== props.base);
  return (
    <Field
      label="Back to version"
      hint={earlier.length === 0 ? "There is no earlier one." : `${earlier.length} earlier ones`}
    >
      {(ids) => (
        <select
          {...ids}
          name="version"
          value={props.version ?? ""}
          onChange={({ currentTarget }) =>
            props.change(currentTarget.value === "" ? null : Number(currentTarget.value))
          }
        >
          <option value="">choose</option>
          {earlier.map(({ version, t }) => (
            <option key={version} value={version}>
              {version}, in force from {t === 0 ? "the start" : `${instant(t)} UTC`}
            </option>
          ))}
        </select>
      )}
    </Field>
  );
}

type Tried = Extract<ReturnType<typeof useDryRun>["state"], { readonly kind: "done" }>;

/** Carries the run's id along, so that whoever approves it knows that, and on what, it was tried. */
function Propose({ tried, changed }: { readonly tried: Tried; readonly changed: () => void }) {
  const [reason, setReason] = useState("");
  const { state, send } = useCommand(`/v1/commands/${tried.change.operation}`);
  const done = state.kind === "done";
  return (
    <form
      class="stack propose"
      onSubmit={(event) => {
        event.preventDefault();
        void send({ ...tried.change.payload, reason, dryRun: tried.run }).then(changed);
      }}
    >
      {done ? null : <ReasonField reason={reason} change={setReason} />}
      <CommandResult state={state} />
      {done ? null : (
        <div class="row end">
          <button type="submit" class="primary" disabled={!reasonHolds(reason) || state.kind === "sending"}>
            Propose exactly this
          </button>
        </div>
      )}
    </form>
  );
}
