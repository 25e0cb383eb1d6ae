import { useEffect, useState } from "preact/hooks";
import { useCommand } from "../command.ts";
import { isTyped } from "../confirm-scope.ts";
import { useDryRun } from "../dry-run.ts";
import { useChannel } from "../live.ts";
import type { RuleOperation } from "#libs/contracts/api/commands.ts";
import { asked, placed, problemsOf, reasonProblem, ticketProblem, type FieldProblem, type Values } from "./fields.ts";
import { type FormName, formOf, isTriedFirst, type Payload } from "./operations.ts";

/** What whoever sends a command says beside it. */
interface Words {
  readonly reason: string;
  readonly ticket: string;
  readonly typed: string;
  /** A change of the rules without a dry run, which the audit shows. */
  readonly urgent: boolean;
}

const saidProblems = ({ reason, ticket }: Words): Readonly<Record<string, FieldProblem>> => {
  const found = { reason: reasonProblem(reason), ticket: ticketProblem(ticket) };
  return Object.fromEntries(Object.entries(found).filter((one): one is [string, FieldProblem] => one[1] !== null));
};

/** A form of a command: what stands in it, what is wrong with it, and what became of it. */
export function useCommandForm(name: FormName, given: Values) {
  const form = formOf(name);
  const [values, setValues] = useState<Values>({ ...form.initial, ...given });
  const [words, setWords] = useState<Words>({ reason: "", ticket: "", typed: "", urgent: false });
  const [attempts, setAttempts] = useState(0);
  // Its times are as of when it was tried or sent: what is sent again has to be the same.
  const [fixed, fix] = useState<Payload | null>(null);
  const { state, send, reset } = useCommand(`/v1/commands/${name}`);
  const dryRun = useDryRun();
  const marketT = useChannel("halts").value.t;
  const wrong = problemsOf(form.fields, values);
  const timed = form.fields.some(({ name: field }) => field === "until");
  const complete = Object.keys(wrong).length === 0 && (!timed || marketT !== null);
  const payload = fixed ?? form.payload(values, marketT ?? 0);
  const expected = complete ? form.confirm(payload) : null;
  const tried = dryRun.state.kind === "done" && dryRun.state.answer.reply.state === "done" ? dryRun.state.run : null;
  const tries = isTriedFirst(name) && !words.urgent && tried === null;
  const said = tries ? {} : saidProblems(words);
  const refused = state.kind === "failed" ? placed(state.problem.problems, asked(form.fields, values)).byField : {};
  const sent = state.kind === "done" && state.command.state !== "refused";

  const edit = (field: string, text: string): void => {
    setValues({ ...values, [field]: text });
    fix(null);
    dryRun.reset();
    reset();
  };
  const submit = async (): Promise<void> => {
    setAttempts(attempts + 1);
    if (!complete || Object.keys(said).length > 0) return;
    fix(payload);
    // What is asked for after it is no mistake yet.
    setAttempts(0);
    if (tries) return dryRun.start({ operation: name as RuleOperation, payload });
    const { reason, ticket, urgent } = words;
    const about = {
      ...(ticket.trim() === "" ? {} : { ticket: ticket.trim() }),
      ...(tried === null ? {} : { dryRun: tried }),
    };
    await send({ ...payload, reason: reason.trim(), ...about, ...(urgent && tried === null ? { urgent: true } : {}) });
  };
  return {
    form,
    values,
    words,
    payload,
    complete,
    state,
    dryRun: dryRun.state,
    /** Nothing more is asked for: it is on its way. */
    sent,
    /** The next press tries it on the live book. */
    tries,
    /** What has to be typed; null: nothing, or it is not filled in. */
    expected,
    ready:
      (expected === null || tries || isTyped(words.typed, expected)) &&
      state.kind !== "sending" &&
      dryRun.state.kind !== "running",
    attempts,
    problemOf: (field: string): FieldProblem | null =>
      refused[field] ?? shownProblem(wrong[field] ?? said[field], values[field] ?? "", attempts),
    edit,
    say: (more: Partial<Words>) => setWords({ ...words, ...more }),
    submit,
  };
}
export type CommandForm = ReturnType<typeof useCommandForm>;

/** What is not filled in yet is no mistake before the first try. */
const shownProblem = (problem: FieldProblem | undefined, text: string, attempts: number): FieldProblem | null =>
  problem === undefined || (attempts === 0 && text.trim() === "") ? null : problem;

/** After a try that found mistakes the first of them has the focus. */
export function useFocusOnMistake(attempts: number, form: { readonly current: HTMLElement | null }): void {
  useEffect(() => {
    if (attempts > 0) form.current?.querySelector<HTMLElement>("[aria-invalid=true]")?.focus();
  }, [attempts]);
}
