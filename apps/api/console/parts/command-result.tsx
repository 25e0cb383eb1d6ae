import type { CommandView } from "#libs/contracts/api/commands.ts";
import type { CommandState } from "../command.ts";
import { type FactLike, sentenceOf } from "../fact-texts.ts";
import { duration, whole, words } from "../format.ts";
import { hrefOf } from "../routes.ts";
import { Problem } from "./problem.tsx";

const waits = (state: string): boolean => state === "proposed" || state === "pending";
const stateTexts: Readonly<Record<string, string>> = {
  pending: "On its way: the engine has not answered yet",
  refused: "Refused by the engine",
  rejected: "Rejected: nothing of it was done",
  cancelled: "Withdrawn: nothing of it was done",
  expired: "Nobody approved it in time",
  invalid: "It could not be carried out any more",
};
const factsMax = 10;

/** What became true by a command, each fact with its place in the log. */
export function AppliedFacts({ command }: { readonly command: CommandView }) {
  const facts = command.facts.flatMap(({ shard, logSeq, facts: applied }) =>
    applied.map((fact) => ({ shard, logSeq, fact: fact as FactLike })),
  );
  return (
    <>
      {facts.slice(0, factsMax).map(({ shard, logSeq, fact }) => (
        <span key={`${shard} ${fact.seq}`} class="fact">
          {sentenceOf(fact)}
          <span class="faint">
            {" "}
            {fact.fact}, fact #{whole(fact.seq)} of shard {shard} at log #{whole(logSeq)}
          </span>
        </span>
      ))}
      {facts.length > factsMax ? <span class="faint">{facts.length - factsMax} more</span> : null}
    </>
  );
}

/** What became of a command: the applied fact with its place in the log, and how long it took from the click. */
export function CommandResult({ state }: { readonly state: CommandState }) {
  if (state.kind === "idle") return null;
  if (state.kind === "sending") return <p role="status">Sending …</p>;
  if (state.kind === "failed") return <Problem of={state.problem} />;
  const { command, timing } = state;
  const applied = command.state === "applied";
  return (
    <div class={applied || waits(command.state) ? "success" : "refusal"} role="status" data-command={command.state}>
      <strong>
        {command.state === "proposed"
          ? "Proposed: a second person has to approve it."
          : applied
            ? `Applied ${Math.round(timing.answered)} ms after the click.`
            : `${stateTexts[command.state] ?? words(command.state)}${command.why === null ? "" : `: ${words(command.why)}`}`}
      </strong>
      {command.state === "proposed" || command.state === "pending" ? (
        <span>
          {command.secondPerson === null ? "" : `Because ${command.secondPerson}. `}
          <a href={hrefOf("commands", command.id)}>
            {command.state === "proposed" ? "The proposal, for whoever approves it" : "What becomes of it"}
          </a>
        </span>
      ) : null}
      {applied ? (
        <span class="timing">
          click → applied fact <b data-answered-ms={timing.answered.toFixed(1)}>{duration(timing.answered)}</b>
          {timing.seen === null ? "" : ` · click → seen on the stream ${duration(timing.seen)}`}
        </span>
      ) : null}
      <AppliedFacts command={command} />
    </div>
  );
}
