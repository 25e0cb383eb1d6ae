import type { DryRunAccount, DryRunReply, DryRunResult } from "#libs/contracts/live/dry-run.ts";
import { compare, subtract } from "../amounts.ts";
import { instant, signed, usd, whole, words } from "../format.ts";
import { hrefOf } from "../routes.ts";
import type { Tone } from "../tone.ts";
import { Figure, Figures, Tag } from "./basics.tsx";
import { Table } from "./table.tsx";

const outcomeTone: Readonly<Record<string, Tone>> = {
  liquidated_in_full: "bad",
  liquidated_in_part: "bad",
  refused: "warn",
  warned: "watch",
  released: "good",
};

/** What a change would do to every account as it stands, at which place in the log. */
export function DryRunOutcome({ reply }: { readonly reply: DryRunReply }) {
  if (reply.state === "failed")
    return (
      <div class="refusal" role="alert">
        <strong>The run was given up: {reply.why}</strong>
      </div>
    );
  if (reply.state === "refused")
    return (
      <div class="refusal" role="alert">
        <strong>These rules would be refused.</strong>
        <ul>
          {reply.problems.slice(0, 20).map(({ path, message }) => (
            <li key={`${path} ${message}`}>
              <code>{path}</code> {message}
            </li>
          ))}
        </ul>
      </div>
    );
  return reply.state === "done" ? <Done seq={reply.seq} result={reply.result} /> : null;
}

function Done({ seq, result }: { readonly seq: number; readonly result: DryRunResult }) {
  const { totals } = result;
  return (
    <div class="stack" data-dry-run="done">
      <p class="faint">
        Judged {whole(totals.judged)} accounts on the book as it stood at log <b>#{whole(seq)}</b>, {instant(result.t)}{" "}
        UTC, rules version {result.ruleVersion}
        {totals.unpriced === 0 ? "" : `; ${whole(totals.unpriced)} could not be priced`}.
      </p>
      <Figures>
        {Object.entries(outcomeTone).map(([outcome, tone]) => {
          const count = totals.outcomes[outcome] ?? 0;
          return (
            <Figure key={outcome} name={words(outcome)} value={whole(count)} tone={count === 0 ? "plain" : tone} />
          );
        })}
        <Figure name="Would be closed" value={usd(totals.closesUsd)} />
        <Figure name="More initial margin lacking" value={usd(totals.initialMarginMissingUsd)} />
        <Figure
          name="Maintenance margin"
          value={usd(totals.after.mm)}
          note={signed(usd(subtract(totals.after.mm, totals.before.mm)))}
        />
      </Figures>
      <Table
        caption="Affected accounts, from the worst"
        columns={[
          { name: "Account", cell: ({ account }) => <a href={hrefOf("account", account)}>{account}</a> },
          {
            name: "Would be",
            cell: ({ outcome }) => <Tag tone={outcomeTone[outcome] ?? "plain"}>{words(outcome)}</Tag>,
          },
          {
            name: "Closes",
            number: true,
            cell: ({ closesUsd }) => usd(closesUsd),
            order: (a: DryRunAccount, b: DryRunAccount) => compare(a.closesUsd, b.closesUsd),
          },
          {
            name: "Maintenance",
            number: true,
            cell: ({ before, after }) => `${usd(before.mm)} → ${usd(after.mm)}`,
            wide: true,
          },
          { name: "Equity", number: true, cell: ({ after }) => usd(after.equity), wide: true },
          {
            name: "Refused for",
            cell: ({ refusals }) => [...new Set(refusals.flatMap(({ codes }) => codes))].map(words).join(", ") || "–",
            wide: true,
          },
        ]}
        rows={result.accounts}
        keyOf={({ account }) => account}
        none="No account would notice."
      />
    </div>
  );
}
