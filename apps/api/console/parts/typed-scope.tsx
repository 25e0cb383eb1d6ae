import type { Halt } from "#libs/contracts/stream/market.ts";
import { typedScope } from "../confirm-scope.ts";
import { Field } from "./basics.tsx";

/** Where a scope has to be typed before anything is done to it; spelled as it is, also on a phone. */
export function TypedScopeField(props: {
  readonly scope: Pick<Halt, "scope" | "id">;
  readonly typed: string;
  readonly change: (typed: string) => void;
}) {
  return (
    <Field label={`Type ${typedScope(props.scope)} to confirm`}>
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
