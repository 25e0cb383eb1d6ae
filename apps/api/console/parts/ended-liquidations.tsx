import type { SagaOutcome, SagasReply } from "#libs/contracts/api/replies.ts";
import { idPattern } from "#libs/contracts/patterns.ts";
import type { SagasData } from "#libs/contracts/stream/operators.ts";
import type { Static } from "typebox";
import { useEffect, useRef, useState } from "preact/hooks";
import { type Answer, useAnswer } from "../answers.ts";
import { duration, moment, usd } from "../format.ts";
import { stageNames } from "../liquidation-stages.ts";
import { hrefOf } from "../routes.ts";
import { moneyText, outcomeMeaning, outcomeTone, stageText, stageTone } from "../saga-text.ts";
import { Card, Tag } from "./basics.tsx";
import { Problem } from "./problem.tsx";
import { Table } from "./table.tsx";
import { Pager } from "./pager.tsx";

export type Sagas = Static<typeof SagasReply>;
type Ended = Sagas["sagas"][number] & { readonly outcome: SagaOutcome };

const shownAtOnce = 25;
const lookMs = 2_000;
const outcomes = Object.keys(outcomeTone) as readonly SagaOutcome["outcome"][];

interface Filter {
  readonly account: string;
  readonly outcome: string;
  readonly stage: string;
}
const everyOne: Filter = { account: "", outcome: "", stage: "" };

/** Asked again when the stream has told of another end, but not more often than every two seconds. */
function useNewEnds(answer: Answer<Sagas>, data: SagasData | null, first: boolean): void {
  const latest = useRef(0);
  latest.current = data?.events.findLast(({ fact }) => fact === "liquidation.ended")?.t ?? 0;
  useEffect(() => {
    if (!first) return undefined;
    let asked = latest.current;
    const timer = setInterval(() => {
      if (latest.current === asked) return;
      asked = latest.current;
      answer.again();
    }, lookMs);
    return () => clearInterval(timer);
  }, [answer.again, first]);
}

/** Liquidations that ended with what became of them, the newest first, a page at a time. */
export function EndedLiquidations(props: { readonly data: SagasData | null; readonly t: number | null }) {
  const [filter, setFilter] = useState(everyOne);
  const [pages, setPages] = useState<readonly string[]>([]);
  const account = filter.account.trim();
  const before = pages.at(-1);
  const answer = useAnswer<Sagas>("/v1/sagas", {
    open: "no",
    limit: shownAtOnce,
    ...(idPattern.test(account) ? { account } : {}),
    ...(filter.outcome === "" ? {} : { outcome: filter.outcome }),
    ...(filter.stage === "" ? {} : { stage: filter.stage }),
    ...(before === undefined ? {} : { before }),
  });
  useNewEnds(answer, props.data, before === undefined);
  const next = answer.data?.before ?? null;
  const rows = (answer.data?.sagas ?? []).filter((saga): saga is Ended => saga.outcome !== null);
  return (
    <Card
      title="Ended, newest first"
      class="flush"
      aside={
        <>
          <FilterFields
            filter={filter}
            change={(more) => {
              setPages([]);
              setFilter({ ...filter, ...more });
            }}
          />
          <Pager pages={pages} next={next} turn={setPages} />
        </>
      }
    >
      <Problem of={answer.problem} />
      <EndedTable rows={rows} t={props.t} none={answer.asking ? "Asking …" : "None that fits has ended."} />
    </Card>
  );
}

function FilterFields({
  filter,
  change,
}: {
  readonly filter: Filter;
  readonly change: (more: Partial<Filter>) => void;
}) {
  return (
    <>
      <input
        type="search"
        aria-label="Show only liquidations of this account"
        placeholder="Account id"
        autocapitalize="off"
        spellcheck={false}
        value={filter.account}
        onInput={({ currentTarget }) => change({ account: currentTarget.value })}
      />
      <select
        aria-label="Show only this outcome"
        value={filter.outcome}
        onChange={({ currentTarget }) => change({ outcome: currentTarget.value })}
      >
        <option value="">every outcome</option>
        {outcomes.map((one) => (
          <option key={one} value={one}>
            {one}
          </option>
        ))}
      </select>
      <select
        aria-label="Show only what ended in this stage"
        value={filter.stage}
        onChange={({ currentTarget }) => change({ stage: currentTarget.value })}
      >
        <option value="">every last stage</option>
        {Object.keys(stageNames).map((stage) => (
          <option key={stage} value={stage}>
            {stageText(Number(stage))}
          </option>
        ))}
      </select>
    </>
  );
}

interface EndedTableProps {
  readonly rows: readonly Ended[];
  readonly none: string;
  /** Of the market's clock, UTC ms. */
  readonly t: number | null;
}

const EndedTable = ({ rows, none, t }: EndedTableProps) => (
  <Table
    caption="Liquidations that ended"
    columns={[
      {
        name: "Account",
        cell: ({ account, instrument, shard, id }) => (
          <>
            <a href={hrefOf("liquidations", shard, id)}>{account}</a>{" "}
            {instrument === null ? null : <Tag>{instrument}</Tag>}
          </>
        ),
      },
      {
        name: "Outcome",
        cell: ({ outcome: { outcome } }) => (
          <span title={outcomeMeaning[outcome]}>
            <Tag tone={outcomeTone[outcome]}>{outcome}</Tag>
          </span>
        ),
      },
      {
        name: "Last stage",
        cell: ({ outcome: { stage } }) => (
          <Tag tone={stageTone(stage)}>
            {stage}
            <span class="wide"> {stageNames[stage]}</span>
          </Tag>
        ),
      },
      { name: "Began, UTC", cell: ({ startedAt }) => moment(startedAt, t), wide: true },
      {
        name: "Took",
        number: true,
        wide: true,
        cell: ({ startedAt, outcome: { endedAt } }) => duration(Math.max(0, endedAt - startedAt)),
        order: (a, b) => a.outcome.endedAt - a.startedAt - (b.outcome.endedAt - b.startedAt),
      },
      {
        name: "Fund paid",
        number: true,
        cell: ({ outcome: { fundUsd } }) => <b class={fundUsd === "0" ? "faint" : "loss"}>{usd(fundUsd)}</b>,
      },
      {
        name: "Closed on book",
        number: true,
        cell: ({ outcome: { money } }) => moneyText(money, "closedNotional"),
        wide: true,
      },
      {
        name: "By ADL",
        number: true,
        cell: ({ outcome: { money } }) => moneyText(money, "deleveragedNotional"),
        wide: true,
      },
      { name: "Realised", number: true, cell: ({ outcome: { money } }) => moneyText(money, "realised"), wide: true },
      {
        name: "Fees",
        number: true,
        cell: ({ outcome: { money } }) => moneyText(money, "takerFee", "liquidationFee"),
        wide: true,
      },
    ]}
    rows={rows}
    keyOf={({ shard, id }) => `${shard} ${id}`}
    none={none}
  />
);
