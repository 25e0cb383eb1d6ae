import type { ComponentChildren } from "preact";
import { useId } from "preact/hooks";
import type { Tone } from "../tone.ts";

export function Card(props: {
  readonly title: string;
  readonly aside?: ComponentChildren;
  readonly children: ComponentChildren;
  readonly class?: string;
}) {
  const id = useId();
  return (
    <section class={`card ${props.class ?? ""}`} aria-labelledby={id}>
      <header class="card-head">
        <h2 id={id}>{props.title}</h2>
        {props.aside === undefined ? null : <div class="card-aside">{props.aside}</div>}
      </header>
      <div class="card-body">{props.children}</div>
    </section>
  );
}

/** One number that matters, with its name and what it is measured by. */
export function Figure(props: {
  readonly name: string;
  readonly value: ComponentChildren;
  readonly note?: ComponentChildren;
  readonly tone?: Tone;
}) {
  return (
    <div class={`figure ${props.tone ?? "plain"}`}>
      <dt>{props.name}</dt>
      <dd>
        <strong>{props.value}</strong>
        {props.note === undefined ? null : <span>{props.note}</span>}
      </dd>
    </div>
  );
}

export const Figures = ({
  children,
  class: name = "",
}: {
  readonly children: ComponentChildren;
  readonly class?: string;
}) => <dl class={`figures ${name}`}>{children}</dl>;

export const Tag = ({ tone = "plain", children }: { readonly tone?: Tone; readonly children: ComponentChildren }) => (
  <span class={`tag ${tone}`}>{children}</span>
);

export const Nothing = ({ children }: { readonly children: ComponentChildren }) => <p class="nothing">{children}</p>;

/** How much of something is used up. `share`: 0 to 1, only to draw with; `text` says it. */
export function Meter(props: {
  readonly name: string;
  readonly share: number;
  readonly text: string;
  readonly tone?: Tone;
}) {
  const width = Math.max(0, Math.min(1, props.share)) * 100;
  return (
    <div
      class={`meter ${props.tone ?? "accent"}`}
      role="meter"
      aria-label={props.name}
      aria-valuemin={0}
      aria-valuemax={100}
      aria-valuenow={Math.round(width)}
      aria-valuetext={props.text}
    >
      <div class="fill" style={{ width: `${width.toFixed(1)}%` }} />
    </div>
  );
}

/** A label, its control and what is wrong with what stands in it. `control` is given the ids that tie them together. */
export function Field(props: {
  readonly label: string;
  readonly hint?: string;
  readonly problem?: string | null;
  readonly children: (ids: {
    readonly id: string;
    readonly "aria-describedby": string;
    readonly "aria-invalid": boolean | undefined;
  }) => ComponentChildren;
}) {
  const id = useId();
  return (
    <div class="field">
      <label for={id}>{props.label}</label>
      {props.children({ id, "aria-describedby": `${id}-hint`, "aria-invalid": props.problem ? true : undefined })}
      <p id={`${id}-hint`} class={props.problem ? "problem" : "hint"} role={props.problem ? "alert" : undefined}>
        {props.problem ?? props.hint ?? ""}
      </p>
    </div>
  );
}
