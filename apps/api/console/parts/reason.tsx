import { Field } from "./basics.tsx";

const lengthMin = 3;
const lengthMax = 200;

/** As the API asks for it. */
export const reasonHolds = (reason: string): boolean => reason.trim().length >= lengthMin && reason.length <= lengthMax;

/** Why somebody does something; the audit keeps it. */
export function ReasonField(props: {
  readonly reason: string;
  readonly change: (reason: string) => void;
  readonly problem?: string | null;
}) {
  return (
    <Field label="Reason" hint="For the audit; at least three characters." problem={props.problem ?? null}>
      {(ids) => (
        <input
          {...ids}
          required
          name="reason"
          minLength={lengthMin}
          maxLength={lengthMax}
          autocomplete="off"
          value={props.reason}
          onInput={({ currentTarget }) => props.change(currentTarget.value)}
        />
      )}
    </Field>
  );
}
