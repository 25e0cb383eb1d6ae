import { useRef, useState } from "preact/hooks";
import type { DryRunApiReply } from "#libs/contracts/api/replies.ts";
import type { Static } from "typebox";
import { type ApiProblem, asProblem, freshId, post } from "./rest.ts";
import type { Change } from "./rule-changes.ts";

export type DryRunAnswer = Static<typeof DryRunApiReply>;

export type DryRunState =
  | { readonly kind: "none" }
  | { readonly kind: "running"; readonly since: number }
  | { readonly kind: "done"; readonly run: string; readonly change: Change; readonly answer: DryRunAnswer }
  | { readonly kind: "failed"; readonly problem: ApiProblem };

const againMs = 400;
const asksMax = 300;
const accounts = 200;

/** Tries a change on a copy of the live book; asks for the same run until it is done. A later one takes its place. */
export function useDryRun() {
  const [state, setState] = useState<DryRunState>({ kind: "none" });
  const turn = useRef(0);
  const start = async (change: Change): Promise<void> => {
    turn.current += 1;
    const mine = turn.current;
    const run = freshId();
    setState({ kind: "running", since: performance.now() });
    try {
      for (let asked = 0; asked < asksMax && mine === turn.current; asked += 1) {
        const answer = await post<DryRunAnswer>("/v1/dry-runs", { run, ...change, accounts });
        if (mine !== turn.current) return;
        if (answer.reply.state !== "running" && answer.reply.state !== "busy")
          return setState({ kind: "done", run, change, answer });
        await new Promise((resolve) => void setTimeout(resolve, againMs));
      }
    } catch (thrown) {
      if (mine === turn.current) setState({ kind: "failed", problem: asProblem(thrown) });
    }
  };
  const reset = (): void => {
    turn.current += 1;
    setState({ kind: "none" });
  };
  return { state, start, reset };
}
