import type { CommandState } from "../command.ts";
import { duration, whole, words } from "../format.ts";
import { Problem } from "./problem.tsx";

/** What became of a command: the applied fact with its place in the log, and how long it took from the click. */
export function CommandResult({ state }: { readonly state: CommandState }) {
  if (state.kind === "idle") return null;
  if (state.kind === "sending") return <p role="status">Sending …</p>;
  if (state.kind === "failed") return <Problem of={state.problem} />;
  const { command, timing } = state;
  const facts = command.facts.flatMap(({ shard, logSeq, facts: applied }) =>
    applied.map((fact) => ({ shard, logSeq, ...fact })),
  );
  const applied = command.state === "applied";
  return (
    <div
      class={applied || command.state === "proposed" ? "success" : "refusal"}
      role="status"
      data-command={command.state}
    >
      <strong>
        {command.state === "proposed"
          ? "Proposed: a second person has to approve it."
          : applied
            ? `Applied ${Math.round(timing.answered)} ms after the click.`
            : `${words(command.state)}${command.why === null ? "" : `: ${words(command.why)}`}`}
      </strong>
      {command.state === "proposed" ? <span>{command.secondPerson}</span> : null}
      {applied ? (
        <span class="timing">
          click → applied fact <b data-answered-ms={timing.answered.toFixed(1)}>{duration(timing.answered)}</b>
          {timing.seen === null ? "" : ` · click → seen on the stream ${duration(timing.seen)}`}
        </span>
      ) : null}
      {facts.map(({ shard, logSeq, seq, fact }) => (
        <span key={`${shard} ${seq}`} class="faint">
          {fact}, fact #{whole(seq)} of shard {shard} at log #{whole(logSeq)}
        </span>
      ))}
    </div>
  );
}
