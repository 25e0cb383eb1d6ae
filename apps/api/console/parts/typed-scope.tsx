import { Field } from "./basics.tsx";

/** Where a scope has to be typed before anything is done to it; spelled as it is, also on a phone. */
export function TypedScopeField(props: {
  readonly expected: string;
  readonly typed: string;
  readonly change: (typed: string) => void;
}) {
  return (
    <Field label={`Type ${props.expected} to confirm`}>
      {(ids) => (
        <input
          {...ids}
          class="typed"
          name="typed"
          autocomplete="off"
          autocapitalize="off"
          spellcheck={false}
          value={props.typed}
          onInput={({ currentTarget }) => props.change(currentTarget.value)}
        />
      )}
    </Field>
  );
}
