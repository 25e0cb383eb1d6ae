import type { CommandView } from "#libs/contracts/api/commands.ts";
import type { CommandsReply, DiffReply } from "#libs/contracts/api/replies.ts";
import type { Static } from "typebox";
import { useEffect, useState } from "preact/hooks";
import { useAnswer } from "../answers.ts";
import { useCommand } from "../command.ts";
import { Preview } from "../commands/preview.tsx";
import { asPayload, typedOf } from "../commands/operations.ts";
import { commandSentence } from "../commands/sentences.ts";
import { isTyped, typedScope } from "../confirm-scope.ts";
import { duration, instant, words } from "../format.ts";
import { changesRules, scopeOf } from "../payloads.ts";
import { hrefOf } from "../routes.ts";
import { claims, mayApprove, mayCommand } from "../session.ts";
import { now } from "../ticking.ts";
import { Card, Nothing } from "./basics.tsx";
import { CommandResult } from "./command-result.tsx";
import { Dialog } from "./dialog.tsx";
import { DiffTable } from "./diff-table.tsx";
import { Payload } from "./payload.tsx";
import { Problem } from "./problem.tsx";
import { ReasonField, reasonHolds } from "./reason.tsx";
import { TypedScopeField } from "./typed-scope.tsx";

type Commands = Static<typeof CommandsReply>;
const lookMs = 1_000;
/** Commands that the streams show as a halt. */
const halts = new Set(["halt", "saga"]);

export type Verdict = "approve" | "reject";

/** What has been proposed and waits for the word of somebody else; looked for every second. */
export function Proposals(props: {
  readonly title: string;
  readonly of: (operation: string) => boolean;
  readonly class?: string;
}) {
  const answer = useAnswer<Commands>("/v1/commands", { state: "proposed", limit: 50 });
  const [opened, open] = useState<{ readonly command: CommandView; readonly verdict: Verdict } | null>(null);
  useEffect(() => {
    const timer = setInterval(answer.again, lookMs);
    return () => clearInterval(timer);
  }, [answer.again]);
  const commands = (answer.data?.commands ?? []).filter(({ operation }) => props.of(operation));
  return (
    <Card
      title={props.title}
      {...(props.class === undefined ? {} : { class: props.class })}
      aside={`${commands.length} open`}
    >
      <Problem of={answer.problem} />
      {commands.length === 0 ? (
        <Nothing>Nothing is proposed.</Nothing>
      ) : (
        <ul class="proposals">
          {commands.map((command) => (
            <Proposal key={command.id} command={command} decide={(verdict) => open({ command, verdict })} />
          ))}
        </ul>
      )}
      {opened === null ? null : (
        <VerdictDialog
          {...opened}
          close={() => {
            open(null);
            answer.again();
          }}
        />
      )}
    </Card>
  );
}

export function Proposal({
  command,
  decide,
}: {
  readonly command: CommandView;
  readonly decide: (verdict: Verdict) => void;
}) {
  const own = command.proposer === claims.value?.sub;
  void now.value;
  return (
    <li data-proposal={command.id}>
      <strong>{words(command.operation)}</strong>
      <p>{commandSentence(command.operation, command.payload)}</p>
      <p class="faint">
        <a href={hrefOf("commands", command.id)}>its address</a> · {command.proposer}: “{command.reason}”
        {command.ticket === null ? "" : ` · ticket ${command.ticket}`}
        {command.expiresAt === null ? "" : ` · ends in ${duration(Math.max(0, command.expiresAt - Date.now()))}`}
      </p>
      <div class="row">
        {mayApprove.value ? (
          <button class="primary small" disabled={own} onClick={() => decide("approve")}>
            Approve …
          </button>
        ) : null}
        {mayApprove.value || (own && mayCommand.value) ? (
          <button class="small" onClick={() => decide("reject")}>
            {own ? "Withdraw …" : "Reject …"}
          </button>
        ) : null}
        {own ? <span class="faint">You proposed it, so somebody else has to approve it.</span> : null}
      </div>
    </li>
  );
}

/** What has to be typed to approve it; null: nothing. */
function toType({ operation, payload }: CommandView): string | null {
  const scope = scopeOf(operation, payload);
  return scope === null ? typedOf(operation, payload) : typedScope(scope);
}

/** Who asked for exactly what, and why. */
export function Asked({ command }: { readonly command: CommandView }) {
  return (
    <>
      <p class="faint">
        Proposed by {command.proposer} at {instant(command.createdAt)} UTC: “{command.reason}”
        {command.ticket === null ? "" : `, ticket ${command.ticket}`}
        {command.dryRun === null ? "" : `, after dry run ${command.dryRun}`}
        {command.urgent ? ", urgent: without a dry run" : ""}
      </p>
      <details>
        <summary>What is approved, to the letter</summary>
        <Payload of={command.payload} />
        <p class="faint">
          payload SHA-256 <code>{command.payloadHash}</code>
        </p>
      </details>
    </>
  );
}

/** The second person's word, bound to the hash of exactly what they saw. */
export function VerdictDialog(props: {
  readonly command: CommandView;
  readonly verdict: Verdict;
  readonly close: () => void;
}) {
  const { command, verdict } = props;
  const [typed, setTyped] = useState("");
  const [reason, setReason] = useState("");
  const { state, send } = useCommand(`/v1/commands/${command.id}/${verdict}`);
  const expected = verdict === "approve" ? toType(command) : null;
  const ready = (expected === null || isTyped(typed, expected)) && reasonHolds(reason) && state.kind !== "sending";
  const done = state.kind === "done";
  return (
    <Dialog
      title={`${verdict === "approve" ? "Approve" : "Reject"}: ${words(command.operation)}`}
      close={props.close}
      class="wide-dialog"
    >
      <form
        class="stack"
        onSubmit={(event) => {
          event.preventDefault();
          const word = { reason, ...(verdict === "approve" ? { payloadHash: command.payloadHash } : {}) };
          void send(word, halts.has(command.operation) ? "halts" : null);
        }}
      >
        <Preview operation={command.operation} payload={asPayload(command.payload)} complete over={done} />
        <Asked command={command} />
        {changesRules(command.operation) ? <ProposalDiff id={command.id} /> : null}
        {done ? null : (
          <>
            <ReasonField reason={reason} change={setReason} />
            {expected === null ? null : <TypedScopeField expected={expected} typed={typed} change={setTyped} />}
          </>
        )}
        <CommandResult state={state} />
        <div class="row end">
          <button type="button" onClick={props.close}>
            {done ? "Close" : "Cancel"}
          </button>
          {done ? null : (
            <button type="submit" class={verdict === "approve" ? "primary" : "danger"} disabled={!ready}>
              {verdict === "approve" ? "Approve and carry out" : "Reject"}
            </button>
          )}
        </div>
      </form>
    </Dialog>
  );
}

function ProposalDiff({ id }: { readonly id: string }) {
  const { data, problem } = useAnswer<Static<typeof DiffReply>>(`/v1/commands/${id}/diff`);
  return (
    <>
      <Problem of={problem} />
      {data === null ? null : <DiffTable diff={data} />}
    </>
  );
}
