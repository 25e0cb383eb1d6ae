import { useChannel } from "../live.ts";
import type { EmergencyFields } from "../rule-changes.ts";
import { Field } from "./basics.tsx";

export const emptyEmergency: EmergencyFields = {
  instrument: "",
  marginFactor: "",
  partialAt: "",
  fullAt: "",
  minutes: "60",
};

const inputs = [
  { name: "marginFactor", label: "Margins times", hint: "1.5: half as much again" },
  { name: "partialAt", label: "Partial liquidation at", hint: "in place of 1.05" },
  { name: "fullAt", label: "Full liquidation at", hint: "in place of 1" },
  { name: "minutes", label: "For, minutes of the market", hint: "then it ends by itself" },
] as const;

/** Stricter margins and thresholds for a time. */
export function EmergencyFieldset(props: {
  readonly fields: EmergencyFields;
  readonly change: (fields: EmergencyFields) => void;
  readonly problem: string | null;
}) {
  const marks = useChannel("marks").value.data;
  const { fields, change } = props;
  return (
    <>
      <div class="fields">
        <Field label="Instrument">
          {(ids) => (
            <select
              {...ids}
              value={fields.instrument}
              onChange={({ currentTarget }) => change({ ...fields, instrument: currentTarget.value })}
            >
              <option value="">every one</option>
              {Object.keys(marks?.marks ?? {})
                .sort()
                .map((id) => (
                  <option key={id} value={id}>
                    {id}
                  </option>
                ))}
            </select>
          )}
        </Field>
        {inputs.map(({ name, label, hint }) => (
          <Field key={name} label={label} hint={hint}>
            {(ids) => (
              <input
                {...ids}
                name={name}
                inputMode="decimal"
                autocomplete="off"
                value={fields[name]}
                onInput={({ currentTarget }) => change({ ...fields, [name]: currentTarget.value })}
              />
            )}
          </Field>
        ))}
      </div>
      {props.problem === null ? null : (
        <p class="problem" role="alert">
          {props.problem}
        </p>
      )}
    </>
  );
}
