import { words } from "../format.ts";
import { payloadLines } from "../payloads.ts";

/** What a command asks for, field by field. */
export function Payload({ of }: { readonly of: unknown }) {
  return (
    <dl class="payload">
      {payloadLines(of).map(([name, value]) => (
        <div key={name}>
          <dt>{words(name)}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}
