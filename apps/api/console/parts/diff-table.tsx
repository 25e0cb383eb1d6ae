import type { DiffReply } from "#libs/contracts/api/replies.ts";
import type { Static } from "typebox";
import { Nothing } from "./basics.tsx";

const told = (value: unknown): string =>
  value === undefined ? "–" : typeof value === "string" ? value : JSON.stringify(value, null, 1);

/** What changed, place by place: what stood there, and what stands there then. */
export function DiffTable({ diff }: { readonly diff: Static<typeof DiffReply> }) {
  if (diff.changes.length === 0) return <Nothing>Nothing differs.</Nothing>;
  return (
    <div class="scroll tall" tabIndex={0} role="region" aria-label="Differences">
      <table class="diff">
        <caption class="unseen">
          From version {diff.from} to version {diff.to}
        </caption>
        <thead>
          <tr>
            <th scope="col">Where</th>
            <th scope="col">Before</th>
            <th scope="col">After</th>
          </tr>
        </thead>
        <tbody>
          {diff.changes.map(({ path, before, after }) => (
            <tr key={path}>
              <th scope="row" class="mono">
                {path}
              </th>
              <td class="removed mono">{told(before)}</td>
              <td class="added mono">{told(after)}</td>
            </tr>
          ))}
        </tbody>
      </table>
      {diff.dropped === 0 ? null : <p class="faint">{diff.dropped} more are not listed.</p>}
    </div>
  );
}
