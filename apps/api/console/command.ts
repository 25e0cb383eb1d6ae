import { useState } from "preact/hooks";
import type { CommandView } from "#libs/contracts/api/commands.ts";
import { latestOf, listen } from "./live.ts";
import { announce } from "./parts/announcer.tsx";
import { type ApiProblem, asProblem, command, freshId } from "./rest.ts";

/** How long a command took, from the click, ms of this page's clock. */
export interface Timing {
  /** Until the API answered with the applied fact. */
  readonly answered: number;
  /** Until the streams showed it; null: not yet, or it is not of a kind that they show. */
  readonly seen: number | null;
}

export type CommandState =
  | { readonly kind: "idle" }
  | { readonly kind: "sending" }
  | { readonly kind: "done"; readonly command: CommandView; readonly timing: Timing }
  | { readonly kind: "failed"; readonly problem: ApiProblem };

const seenWithinMs = 10_000;
type ChangingChannel = "halts";

/** Calls once, when a table of the channel with its own name has changed; gives what ends it. */
function whenChanged(ch: ChangingChannel, told: (at: number) => void): () => void {
  // A delta that leaves the table out leaves it the very same.
  const tableOf = (data: unknown): unknown => (data as Readonly<Record<string, unknown>> | null)?.[ch];
  const before = tableOf(latestOf(ch));
  const stop = listen(ch, ({ data, fresh }, at) => {
    if (fresh || tableOf(data) === before) return;
    stop();
    told(at);
  });
  return stop;
}

/**
 * Sends a command and times it. Its key stays until it is answered as a command: whatever happened to a try on its way, trying again cannot
 * do it twice. A try that was changed meanwhile is refused then, if the first one had been taken.
 */
export function useCommand(path: string) {
  const [state, setState] = useState<CommandState>({ kind: "idle" });
  const [key, setKey] = useState(freshId);
  const send = async (body: object, channel: ChangingChannel | null = null): Promise<CommandView | null> => {
    const clicked = performance.now();
    setState({ kind: "sending" });
    let seen: number | null = null;
    const stop =
      channel === null
        ? () => {}
        : whenChanged(channel, (at) => {
            seen = at - clicked;
            setState((before) => (before.kind === "done" ? { ...before, timing: { ...before.timing, seen } } : before));
          });
    setTimeout(stop, seenWithinMs);
    try {
      const view = await command<CommandView>(path, body, key);
      const answered = performance.now() - clicked;
      setKey(freshId());
      setState({ kind: "done", command: view, timing: { answered, seen } });
      announce(`${view.operation}: ${view.state} after ${Math.round(answered)} milliseconds.`);
      return view;
    } catch (thrown) {
      stop();
      const problem = asProblem(thrown);
      setState({ kind: "failed", problem });
      announce(`Refused: ${problem.message}`);
      return null;
    }
  };
  return { state, send, reset: () => setState({ kind: "idle" }) };
}
