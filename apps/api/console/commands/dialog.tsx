import type { ComponentChildren } from "preact";
import { useRef, useState } from "preact/hooks";
import { DryRunOutcome } from "../parts/dry-run-result.tsx";
import { CommandResult } from "../parts/command-result.tsx";
import { Dialog } from "../parts/dialog.tsx";
import { Problem } from "../parts/problem.tsx";
import { ReasonField } from "../parts/reason.tsx";
import { TypedScopeField } from "../parts/typed-scope.tsx";
import { Field } from "../parts/basics.tsx";
import { mayCommand } from "../session.ts";
import type { Values } from "./fields.ts";
import { FormFields, problemText } from "./form-fields.tsx";
import { type CommandForm, useCommandForm, useFocusOnMistake } from "./form-state.ts";
import { type FormName, formOf } from "./operations.ts";
import { Preview } from "./preview.tsx";

/** Opens the form of a command, with what is known of it filled in; not there for who may not command. */
export function CommandButton(props: {
  readonly name: FormName;
  readonly given?: Values;
  readonly children: ComponentChildren;
}) {
  const [open, setOpen] = useState(false);
  if (!mayCommand.value) return null;
  return (
    <>
      <button class="small" onClick={() => setOpen(true)}>
        {props.children}
      </button>
      {open ? <CommandDialog name={props.name} given={props.given ?? {}} close={() => setOpen(false)} /> : null}
    </>
  );
}

/** A command filled in, shown in words and figures, and sent with a reason; its idempotency key is the form's own. */
function CommandDialog(props: { readonly name: FormName; readonly given: Values; readonly close: () => void }) {
  const form = useCommandForm(props.name, props.given);
  const place = useRef<HTMLFormElement>(null);
  useFocusOnMistake(form.attempts, place);
  const { title, dangerous } = formOf(props.name);
  return (
    <Dialog title={title} close={props.close} class={`wide-dialog ${dangerous === true ? "danger" : ""}`}>
      <form
        ref={place}
        class="stack"
        noValidate
        onSubmit={(event) => {
          event.preventDefault();
          void form.submit();
        }}
      >
        {form.sent ? null : <FormFields form={form} />}
        <Preview
          operation={props.name}
          payload={form.payload}
          complete={form.complete}
          over={form.state.kind === "done" && form.state.command.state === "applied"}
        />
        {form.dryRun.kind === "failed" ? <Problem of={form.dryRun.problem} /> : null}
        {form.dryRun.kind === "done" && !form.sent ? <DryRunOutcome reply={form.dryRun.answer.reply} /> : null}
        {form.sent ? null : <WordsFields form={form} name={props.name} />}
        <CommandResult state={form.state} />
        <Buttons form={form} close={props.close} dangerous={dangerous === true} />
      </form>
    </Dialog>
  );
}

/** What is said beside the command: why, what it belongs to, and, where it cannot be taken back, what it is about. */
function WordsFields({ form, name }: { readonly form: CommandForm; readonly name: FormName }) {
  const { words, say, expected } = form;
  const reason = form.problemOf("reason");
  const ticket = form.problemOf("ticket");
  return (
    <>
      {name === "limit" && (form.tries || words.urgent) ? (
        <label class="inline check">
          <input
            type="checkbox"
            name="urgent"
            checked={words.urgent}
            onChange={({ currentTarget }) => say({ urgent: currentTarget.checked })}
          />
          Urgent: without a dry run, if it tightens for certain; the audit shows it
        </label>
      ) : null}
      {form.tries ? null : (
        <div class="fields">
          <ReasonField
            reason={words.reason}
            change={(text) => say({ reason: text })}
            problem={reason === null ? null : problemText("reason", reason)}
          />
          <Field
            label="Ticket (optional)"
            hint="What it belongs to."
            problem={ticket === null ? null : problemText("ticket", ticket)}
          >
            {(ids) => (
              <input
                {...ids}
                name="ticket"
                autocomplete="off"
                value={words.ticket}
                onInput={({ currentTarget }) => say({ ticket: currentTarget.value })}
              />
            )}
          </Field>
        </div>
      )}
      {expected === null || form.tries ? null : (
        <TypedScopeField expected={expected} typed={words.typed} change={(typed) => say({ typed })} />
      )}
    </>
  );
}

function Buttons(props: { readonly form: CommandForm; readonly close: () => void; readonly dangerous: boolean }) {
  const { form } = props;
  return (
    <div class="row end">
      <button type="button" onClick={props.close}>
        {form.sent ? "Close" : "Cancel"}
      </button>
      {form.sent ? null : (
        <button type="submit" class={props.dangerous ? "danger" : "primary"} disabled={!form.ready}>
          {sendText(form)}
        </button>
      )}
    </div>
  );
}

function sendText(form: CommandForm): string {
  if (form.dryRun.kind === "running") return "Judging every account …";
  if (form.tries) return "Dry run on the live book";
  if (form.words.urgent) return "Set it at once";
  return form.dryRun.kind === "done" ? "Send exactly this" : "Propose it";
}
