import type { ApiProblem } from "../rest.ts";

/** A refusal as the API gave it: the sentence for people, the code for the documentation, and what exactly was wrong. */
export function Problem({ of }: { readonly of: ApiProblem | null }) {
  if (of === null) return null;
  return (
    <div class="refusal" role="alert">
      <strong>{of.message}</strong>
      <code>{of.code}</code>
      {of.problems.length === 0 ? null : (
        <ul>
          {of.problems.slice(0, 20).map(({ path, message, value, bound }) => (
            <li key={`${path} ${message}`}>
              <code>{path}</code> {message}
              {value === undefined ? "" : `: ${value}`}
              {bound === undefined ? "" : `, allowed ${bound}`}
            </li>
          ))}
        </ul>
      )}
    </div>
  );
}
