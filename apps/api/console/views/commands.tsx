import type { CommandState, CommandView } from "#libs/contracts/api/commands.ts";
import type { CommandsReply } from "#libs/contracts/api/replies.ts";
import type { Static } from "typebox";
import { useEffect, useState } from "preact/hooks";
import { type Answer, useAnswer } from "../answers.ts";
import { catalogue, type Listed } from "../commands/catalogue.ts";
import { CommandButton } from "../commands/dialog.tsx";
import { formNames } from "../commands/operations.ts";
import { commandSentence } from "../commands/sentences.ts";
import { instant, words } from "../format.ts";
import { useChannel } from "../live.ts";
import { Card, Nothing, Tag } from "../parts/basics.tsx";
import { AppliedFacts } from "../parts/command-result.tsx";
import { Freshness } from "../parts/freshness.tsx";
import { Problem } from "../parts/problem.tsx";
import { Asked, Proposal, Proposals, type Verdict, VerdictDialog } from "../parts/proposals.tsx";
import { Table } from "../parts/table.tsx";
import { route } from "../router.ts";
import { hrefOf, views } from "../routes.ts";
import { claims, mayApprove, mayCommand } from "../session.ts";
import type { Tone } from "../tone.ts";
import { Pager } from "../parts/pager.tsx";

const lookMs = 1_000;
const shownAtOnce = 50;

const stateTones: Readonly<Record<CommandState, Tone>> = {
  proposed: "accent",
  pending: "watch",
  applied: "good",
  refused: "bad",
  rejected: "plain",
  cancelled: "plain",
  expired: "plain",
  invalid: "warn",
};
const states = Object.keys(stateTones) as readonly CommandState[];

/** Everything that can be commanded, what waits, and what became of all that was. */
export function Commands() {
  const market = useChannel("halts").value;
  const { id } = route.value;
  return (
    <>
      <div class="view-head">
        <h1>Commands</h1>
        <span class="grow" />
        <Freshness of={market} />
      </div>
      <div class="grid">
        {id === null ? null : <OneCommand id={id} />}
        <Proposals title="Waiting for a second person" of={() => true} />
        <Catalogue />
        <History />
      </div>
    </>
  );
}

function Catalogue() {
  return (
    <Card title="What can be commanded" class="flush" aside={<RightsNote />}>
      <Table
        caption="Commands"
        columns={[
          { name: "Command", cell: ({ operation }) => <b>{words(operation)}</b> },
          { name: "What it does", cell: (listed) => <Does {...listed} />, text: true },
          { name: "Second person", cell: ({ secondPerson }) => secondPerson, text: true, wide: true },
          { name: "At", cell: ({ at }) => <Places at={at} />, wide: true },
          { name: "", cell: ({ operation, at }) => <Way operation={operation} at={at} /> },
        ]}
        rows={catalogue}
        keyOf={({ operation }) => operation}
        none=""
      />
    </Card>
  );
}

const Does = ({ does, secondPerson }: Listed) => (
  <>
    {does}
    <span class="faint narrow-note">second person: {secondPerson}</span>
  </>
);

const Places = ({ at }: Pick<Listed, "at">) => (
  <span class="row tight">
    {at.map((view) => (
      <a key={view} href={hrefOf(view)}>
        {views[view].title}
      </a>
    ))}
  </span>
);

/** Its form, or the view that it has a place of its own on. */
function Way({ operation, at: [first = "commands"] }: Pick<Listed, "operation" | "at">) {
  const form = formNames.find((name) => name === operation);
  if (!mayCommand.value) return null;
  return form === undefined ? (
    <a href={hrefOf(first)}>
      Go there<span class="unseen"> for {words(operation)}</span>
    </a>
  ) : (
    <CommandButton name={form}>
      Fill in …<span class="unseen"> {words(operation)}</span>
    </CommandButton>
  );
}

/** What whoever looks may do of it. */
function RightsNote() {
  if (mayApprove.value) return <span>You command, and approve what others proposed.</span>;
  return mayCommand.value ? (
    <span>You command; an officer approves what needs a second person.</span>
  ) : (
    <span>You read alone: operators and officers command.</span>
  );
}

/** Asked again and again while something is to come of it. */
function useLook<T>(answer: Answer<T>, goesOn: boolean): void {
  useEffect(() => {
    if (!goesOn) return undefined;
    const timer = setInterval(answer.again, lookMs);
    return () => clearInterval(timer);
  }, [answer.again, goesOn]);
}

/** One command by its address, which a proposer can send to whoever is to approve it. */
function OneCommand({ id }: { readonly id: string }) {
  const answer = useAnswer<CommandView>(`/v1/commands/${id}`);
  const [verdict, decide] = useState<Verdict | null>(null);
  const command = answer.data;
  const open = command?.state === "proposed";
  useLook(answer, open || command?.state === "pending");
  const aside = command === null ? null : <Tag tone={stateTones[command.state]}>{words(command.state)}</Tag>;
  return (
    <Card title={command === null ? "Command" : `Command ${command.id}: ${words(command.operation)}`} aside={aside}>
      <Problem of={answer.problem} />
      {command === null ? (
        <Nothing>{answer.asking ? "Asking …" : ""}</Nothing>
      ) : open && mayCommand.value ? (
        <ul class="proposals">
          <Proposal command={command} decide={decide} />
        </ul>
      ) : (
        <Outcome command={command} />
      )}
      {command === null || verdict === null ? null : (
        <VerdictDialog
          command={command}
          verdict={verdict}
          close={() => {
            decide(null);
            answer.again();
          }}
        />
      )}
    </Card>
  );
}

function Outcome({ command }: { readonly command: CommandView }) {
  return (
    <>
      <p class="does">{commandSentence(command.operation, command.payload)}</p>
      <Asked command={command} />
      <p>
        {command.decidedAt === null || command.approver === null
          ? ""
          : `Decided by ${command.approver} at ${instant(command.decidedAt)} UTC. `}
        {command.why ?? ""}
      </p>
      <div class="stack">
        <AppliedFacts command={command} />
      </div>
    </>
  );
}

/** All commands, the newest first, a page at a time. */
function History() {
  const [state, setState] = useState<CommandState | "">("");
  const [pages, setPages] = useState<readonly string[]>([]);
  const before = pages.at(-1);
  const answer = useAnswer<Static<typeof CommandsReply>>("/v1/commands", {
    ...(state === "" ? {} : { state }),
    ...(before === undefined ? {} : { before }),
    limit: shownAtOnce,
  });
  const next = answer.data?.before ?? null;
  return (
    <Card
      title="What was commanded"
      class="flush"
      aside={
        <>
          <select
            aria-label="Show only commands of this state"
            value={state}
            onChange={({ currentTarget }) => {
              setPages([]);
              setState(currentTarget.value as CommandState | "");
            }}
          >
            <option value="">every state</option>
            {states.map((one) => (
              <option key={one} value={one}>
                {words(one)}
              </option>
            ))}
          </select>
          <button class="small" onClick={answer.again}>
            Ask again
          </button>
          <Pager pages={pages} next={next} turn={setPages} />
        </>
      }
    >
      <Problem of={answer.problem} />
      <CommandTable
        commands={answer.data?.commands ?? []}
        none={answer.asking ? "Asking …" : "Nothing was commanded."}
      />
    </Card>
  );
}

const CommandTable = ({ commands, none }: { readonly commands: readonly CommandView[]; readonly none: string }) => (
  <Table
    caption="Commands, newest first"
    columns={[
      { name: "Command", cell: ({ id, operation }) => <a href={hrefOf("commands", id)}>{words(operation)}</a> },
      { name: "State", cell: ({ state }) => <Tag tone={stateTones[state]}>{words(state)}</Tag> },
      { name: "What", cell: ({ operation, payload }) => commandSentence(operation, payload), text: true },
      { name: "By", cell: ({ proposer, approver }) => people(proposer, approver) },
      { name: "Reason", cell: ({ reason }) => reason, text: true, wide: true },
      { name: "At, UTC", cell: ({ createdAt }) => instant(createdAt), wide: true },
    ]}
    rows={commands}
    keyOf={({ id }) => id}
    none={none}
  />
);

const people = (proposer: string, approver: string | null): string => {
  const own = proposer === claims.value?.sub ? `${proposer} (you)` : proposer;
  return approver === null ? own : `${own}, ${approver}`;
};
