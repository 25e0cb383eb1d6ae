import { useState } from "preact/hooks";
import type { DiffReply, RulesReply } from "#libs/contracts/api/replies.ts";
import type { Static } from "typebox";
import { useAnswer } from "../answers.ts";
import { CommandButton } from "../commands/dialog.tsx";
import { instant, words } from "../format.ts";
import { useChannel } from "../live.ts";
import { Card, Nothing } from "../parts/basics.tsx";
import { DiffTable } from "../parts/diff-table.tsx";
import { EntityProposals } from "../parts/entity-proposals.tsx";
import { Freshness } from "../parts/freshness.tsx";
import { Problem } from "../parts/problem.tsx";
import { Proposals } from "../parts/proposals.tsx";
import { changesRules } from "../payloads.ts";
import { RuleEditor } from "../rule-editor.tsx";
import { mayCommand } from "../session.ts";

type Versions = Static<typeof RulesReply>;

/** What is in force, what would change, whom it would hit, and who has to agree. */
export function Rules() {
  const market = useChannel("halts").value;
  const versions = useAnswer<Versions>("/v1/rules", { limit: 50 });
  const list = versions.data?.versions ?? [];
  const current = list[0]?.version ?? null;
  return (
    <>
      <div class="view-head">
        <h1>Rules</h1>
        <span class="tag accent">{current === null ? "version …" : `version ${current} in force`}</span>
        <span class="grow" />
        <Freshness of={market} />
        <CommandButton name="limit">Limit for a time …</CommandButton>
        <CommandButton name="entity">Entity …</CommandButton>
      </div>
      <Problem of={versions.problem} />
      <div class="grid">
        {mayCommand.value && current !== null ? (
          <RuleEditor base={current} versions={list} marketT={market.t ?? 0} changed={versions.again} />
        ) : null}
        <Proposals title="Proposals" of={changesRules} class={mayCommand.value ? "third" : "half"} />
        <Differences versions={list} again={versions.again} />
        <EntityProposals />
      </div>
    </>
  );
}

function Differences({ versions, again }: { readonly versions: Versions["versions"]; readonly again: () => void }) {
  const [from, setFrom] = useState<number | null>(null);
  const [to, setTo] = useState<number | null>(null);
  const left = from ?? versions[1]?.version ?? null;
  const right = to ?? versions[0]?.version ?? null;
  const asked = left !== null && right !== null && left !== right;
  const answer = useAnswer<Static<typeof DiffReply>>(asked ? "/v1/rules/diff" : null, {
    from: left ?? 0,
    to: right ?? 0,
  });
  const select = (name: string, value: number | null, change: (version: number) => void) => (
    <select
      aria-label={`${words(name)} version`}
      value={value ?? ""}
      onChange={({ currentTarget }) => change(Number(currentTarget.value))}
    >
      {versions.map(({ version, t }) => (
        <option key={version} value={version}>
          {version}, {t === 0 ? "from the start" : instant(t)}
        </option>
      ))}
    </select>
  );
  return (
    <Card
      title="What changed"
      aside={
        <>
          {versions.length < 2 ? null : (
            <>
              {select("from", left, setFrom)} → {select("to", right, setTo)}
            </>
          )}
          <button class="small" onClick={again}>
            Ask again
          </button>
        </>
      }
    >
      <Problem of={answer.problem} />
      {asked ? (
        answer.data === null ? (
          <Nothing>Asking …</Nothing>
        ) : (
          <DiffTable diff={answer.data} />
        )
      ) : (
        <Nothing>There is one version so far.</Nothing>
      )}
    </Card>
  );
}
