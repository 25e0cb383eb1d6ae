import { Field as Labelled } from "../parts/basics.tsx";
import { asked, type Field, type FieldProblem, type Suggested, type Values } from "./fields.ts";
import type { CommandForm } from "./form-state.ts";
import { useOffered } from "./offered.ts";

type Offered = Readonly<Record<Suggested, readonly string[]>>;
interface FieldProps {
  readonly field: Field;
  readonly value: string;
  readonly problem: FieldProblem | null;
  readonly offered: Offered;
  readonly change: (text: string) => void;
}

/** Few and all known: they are chosen. Of others the ids are many, and typed with what is known to help. */
const chosenFrom = new Set<Suggested>(["asset", "instrument", "position", "shard"]);
const segmentsMax = 2;

/** A refusal as the API words it: place, code, what was expected and what was found. */
export const problemText = (name: string, problem: FieldProblem): string =>
  `${problem.code} at ${name}: ${problem.message}${
    problem.value === undefined || problem.message.includes(problem.value) ? "" : `, found ${problem.value}`
  }${problem.bound === undefined || problem.message.includes(problem.bound) ? "" : `, allowed ${problem.bound}`}`;

export function FormFields({ form }: { readonly form: CommandForm }) {
  const offered = useOffered(form.values);
  const shown = asked(form.form.fields, form.values).filter(
    ({ kind }) => kind.is !== "id" || kind.of !== "shard" || offered.shard.length > 1,
  );
  return (
    <div class="fields">
      {shown.map((field) => (
        <OneField
          key={`${field.name} ${field.label}`}
          field={field}
          value={valueOf(form.values, field)}
          problem={form.problemOf(field.name)}
          offered={offered}
          change={(text) => form.edit(field.name, text)}
        />
      ))}
    </div>
  );
}

const valueOf = (values: Values, { name }: Field): string => values[name] ?? "";

function OneField(props: FieldProps) {
  const { field, value, problem, change, offered } = props;
  const { kind } = field;
  if (kind.is === "choice" && kind.options.length <= segmentsMax) return <Segments {...props} options={kind.options} />;
  const options =
    kind.is === "choice"
      ? kind.options
      : kind.is === "id" && chosenFrom.has(kind.of)
        ? withOwn(offered[kind.of], value).map((id) => [id, id] as const)
        : null;
  return (
    <Labelled
      label={`${field.label}${field.optional === true ? " (optional)" : ""}`}
      problem={problem === null ? null : problemText(field.name, problem)}
      {...(field.hint === undefined ? {} : { hint: field.hint })}
    >
      {(ids) =>
        options === null ? (
          <Typed {...props} ids={ids} />
        ) : (
          <select
            {...ids}
            name={field.name}
            value={value}
            onChange={({ currentTarget }) => change(currentTarget.value)}
          >
            {kind.is === "choice" ? null : <option value="">{field.optional === true ? "every one" : "choose"}</option>}
            {options.map(([one, text]) => (
              <option key={one} value={one}>
                {text}
              </option>
            ))}
          </select>
        )
      }
    </Labelled>
  );
}

/** What is chosen already stays in the list, whatever is known. */
const withOwn = (known: readonly string[], own: string): readonly string[] =>
  own === "" || known.includes(own) ? known : [own, ...known];

function Typed({ field, value, offered, change, ids }: FieldProps & { readonly ids: { readonly id: string } }) {
  const { kind } = field;
  const list = kind.is === "id" ? offered[kind.of] : [];
  const isNumber = kind.is === "amount" || kind.is === "figure" || kind.is === "minutes";
  return (
    <>
      <input
        {...ids}
        name={field.name}
        class={isNumber ? "mono" : ""}
        list={list.length === 0 ? undefined : `${ids.id}-known`}
        inputMode={isNumber ? "decimal" : undefined}
        autocomplete="off"
        autocapitalize="off"
        spellcheck={false}
        aria-required={field.optional === true ? undefined : true}
        value={value}
        onInput={({ currentTarget }) => change(currentTarget.value)}
      />
      {list.length === 0 ? null : (
        <datalist id={`${ids.id}-known`}>
          {list.map((one) => (
            <option key={one} value={one} />
          ))}
        </datalist>
      )}
    </>
  );
}

function Segments(props: FieldProps & { readonly options: readonly (readonly [value: string, text: string])[] }) {
  const { field, value, change, options } = props;
  return (
    <fieldset class="segments pair">
      <legend>{field.label}</legend>
      {options.map(([one, text]) => (
        <label key={one} class={value === one ? "chosen" : ""}>
          <input type="radio" name={field.name} value={one} checked={value === one} onChange={() => change(one)} />
          {text}
        </label>
      ))}
    </fieldset>
  );
}
