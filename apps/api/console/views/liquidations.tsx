import { useEffect, useRef } from "preact/hooks";
import type { InstrumentsReply, SagaReply } from "#libs/contracts/api/replies.ts";
import type { SagaRow, SagasData } from "#libs/contracts/stream/operators.ts";
import type { Static } from "typebox";
import { useAnswer } from "../answers.ts";
import { type FactLike, sentenceOf, toneOf } from "../fact-texts.ts";
import { clock, duration, exact, price, whole } from "../format.ts";
import { stageNames } from "../liquidation-stages.ts";
import { type Seen, useChannel } from "../live.ts";
import { Card, Nothing, Tag } from "../parts/basics.tsx";
import { EndedLiquidations, type Sagas } from "../parts/ended-liquidations.tsx";
import { Awaiting, Freshness } from "../parts/freshness.tsx";
import { LiquidationMoney } from "../parts/liquidation-money.tsx";
import { Problem } from "../parts/problem.tsx";
import { SagaControl } from "../parts/saga-control.tsx";
import { Table } from "../parts/table.tsx";
import { route } from "../router.ts";
import { hrefOf } from "../routes.ts";
import { closedText, stageText, stageTone, type Terms, termsOf } from "../saga-text.ts";
import { mayCommand } from "../session.ts";

/** Every liquidation as a timeline with its prices and its money; where none is chosen the one that began last. */
export function Liquidations() {
  const seen = useChannel("sagas").value;
  const ended = useAnswer<Sagas>("/v1/sagas", { open: "no", limit: 1 });
  const { id, part } = route.value;
  // It stays when another one begins: nobody is taken away from what they read.
  const first = useRef<readonly [string, string] | null>(null);
  first.current ??= newestOf(seen.data, ended.data);
  const [shard, saga] = id !== null && part !== null ? [id, part] : (first.current ?? [null, null]);
  return (
    <>
      <div class="view-head">
        <h1>Liquidations</h1>
        <span class="grow" />
        <Freshness of={seen} />
      </div>
      {seen.data === null ? (
        <Awaiting of={seen} what="the liquidations" />
      ) : (
        <div class="grid">
          <Running data={seen.data} t={seen.t} />
          {shard === null || saga === null ? (
            <Card title="Timeline" class="two-thirds">
              <Nothing>Nobody has been liquidated.</Nothing>
            </Card>
          ) : (
            <OneSaga key={`${shard} ${saga}`} shard={shard} saga={saga} seen={seen} />
          )}
          <EndedLiquidations data={seen.data} t={seen.t} />
        </div>
      )}
    </>
  );
}

/** Of those that run the one that began last, else of those that ended. */
function newestOf(running: SagasData | null, ended: Sagas | null): readonly [shard: string, saga: string] | null {
  const rows = Object.entries(running?.sagas ?? {}).sort(([, a], [, b]) => b.startedAt - a.startedAt);
  const [first] = rows;
  if (first !== undefined) return keyParts(first[0]);
  const last = ended?.sagas[0];
  return last === undefined ? null : [last.shard, last.id];
}

const keyParts = (key: string): readonly [string, string] => {
  const dot = key.indexOf(".");
  return [key.slice(0, dot), key.slice(dot + 1)];
};

function Running({ data, t }: { readonly data: SagasData; readonly t: number | null }) {
  const rows = Object.entries(data.sagas).map(([key, saga]) => ({ key, ...saga }));
  return (
    <Card title="Running" class="third flush" aside={whole(rows.length)}>
      <Table
        caption="Liquidations that run"
        columns={[
          {
            name: "Account",
            cell: ({ key, account }) => <a href={hrefOf("liquidations", ...keyParts(key))}>{account}</a>,
          },
          { name: "Pool", cell: ({ instrument }) => instrument ?? "cross", wide: true },
          {
            name: "Stage",
            cell: (saga) => <Tag tone={stageTone(saga.stage)}>{stageText(saga.stage)}</Tag>,
          },
          {
            name: "For",
            number: true,
            cell: ({ startedAt }) => (t === null ? "–" : duration(Math.max(0, t - startedAt))),
          },
        ]}
        rows={rows}
        keyOf={({ key }) => key}
        none="No liquidation runs."
      />
    </Card>
  );
}

type Saga = Static<typeof SagaReply>;
type Event = FactLike & { readonly shard?: string };

function OneSaga(props: { readonly shard: string; readonly saga: string; readonly seen: Seen<SagasData> }) {
  const { shard, saga, seen } = props;
  const running = seen.data?.sagas[`${shard}.${saga}`];
  const answer = useAnswer<Saga>(`/v1/sagas/${shard}/${saga}`);
  const runs = running !== undefined;
  const ran = useRef(false);
  // Asked again at its end, when everything that it did is recorded; what happens meanwhile comes live.
  useEffect(() => {
    if (ran.current && !runs) answer.again();
    ran.current = runs;
  }, [runs]);
  const listed = useAnswer<Static<typeof InstrumentsReply>>("/v1/instruments").data;
  const terms = termsOf(listed?.instruments ?? []);
  const live = ((seen.data?.events ?? []) as unknown as readonly Event[]).filter(
    (one) => one["saga"] === saga && one.shard === shard,
  );
  const facts = merged(answer.data?.facts ?? [], live);
  const about = answer.data?.saga;
  const account = running?.account ?? about?.account ?? null;
  const aside = (
    <>
      {account === null ? null : <a href={hrefOf("account", account)}>{account}</a>}
      {mayCommand.value && running !== undefined ? (
        <SagaControl shard={shard} saga={saga} account={running.account} />
      ) : null}
    </>
  );
  return (
    <Card title={`Liquidation ${saga}`} class="two-thirds" aside={aside}>
      {facts.length === 0 ? <Problem of={answer.problem} /> : null}
      <StageTrack facts={facts} running={running} />
      <LiquidationMoney
        facts={facts}
        startedAt={about?.startedAt ?? running?.startedAt ?? null}
        outcome={about?.outcome ?? null}
      />
      <Timeline facts={facts} terms={terms} />
    </Card>
  );
}

/** Recorded and live facts, each once, in their order. */
function merged(recorded: readonly FactLike[], live: readonly FactLike[]): readonly FactLike[] {
  const bySeq = new Map([...recorded, ...live].map((fact) => [fact.seq, fact]));
  return [...bySeq.values()].sort((a, b) => a.seq - b.seq);
}

function StageTrack({
  facts,
  running,
}: {
  readonly facts: readonly FactLike[];
  readonly running: SagaRow | undefined;
}) {
  const reached = new Set(
    facts.filter(({ fact }) => fact === "liquidation.stage").map((fact) => Number(fact["stage"])),
  );
  if (facts.length > 0) reached.add(1);
  return (
    <ol class="track">
      {Object.entries(stageNames).map(([key, name]) => {
        const stage = Number(key);
        const now = running?.stage === stage;
        return (
          <li
            key={key}
            class={now ? "now" : reached.has(stage) ? "reached" : ""}
            aria-current={now ? "step" : undefined}
          >
            <span>{key}</span>
            {name}
            <span class="unseen">{now ? ", running" : reached.has(stage) ? ", reached" : ", not reached"}</span>
          </li>
        );
      })}
    </ol>
  );
}

interface TimelineProps {
  readonly facts: readonly FactLike[];
  readonly terms: Readonly<Record<string, Terms>>;
}

function Timeline({ facts, terms }: TimelineProps) {
  const from = facts[0]?.t ?? 0;
  if (facts.length === 0) return <Nothing>Nothing is recorded of it yet.</Nothing>;
  return (
    <ol class="timeline">
      {facts.map((fact) => (
        <li key={fact.seq} class={toneOf(fact)}>
          <time dateTime={new Date(fact.t).toISOString()}>
            {clock(fact.t)}
            <span class="faint"> +{duration(fact.t - from)}</span>
          </time>
          <div>
            {sentenceOf(fact)}
            <Prices fact={fact} closed={closedText(fact, terms)} />
          </div>
          <span class="faint">#{whole(fact.seq)}</span>
        </li>
      ))}
    </ol>
  );
}

function Prices({ fact, closed }: { readonly fact: FactLike; readonly closed: string | null }) {
  const { price: paid, mark, realised, fund, counterparty, step } = fact;
  const parts = [
    typeof step === "string" || typeof step === "number" ? `step ${step}` : null,
    closed === null ? null : `closes ${closed}`,
    typeof mark === "string" && typeof paid === "string" ? `mark ${price(mark)}` : null,
    typeof realised === "string" && realised !== "0" ? `realised ${exact(realised)}` : null,
    typeof fund === "string" && fund !== "0" ? `fund paid ${exact(fund)}` : null,
    typeof counterparty === "string" ? `against ${counterparty}` : null,
  ].filter((part) => part !== null);
  return parts.length === 0 ? null : <span class="faint"> {parts.join(" · ")}</span>;
}
