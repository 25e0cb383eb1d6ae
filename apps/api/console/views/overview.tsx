import { useState } from "preact/hooks";
import type { Fund, Mark } from "#libs/contracts/stream/market.ts";
import type { OverviewData, PoolTile } from "#libs/contracts/stream/operators.ts";
import { compare, drawn, quotient, sum } from "../amounts.ts";
import { HeatMap } from "../charts/heat-map.tsx";
import type { Tile } from "../charts/heat-zones.ts";
import { CommandButton } from "../commands/dialog.tsx";
import { scopeText, stateTone, stateWords } from "../exchange-state.ts";
import { duration, moment, percent, price, ratio, short, usd, whole, words } from "../format.ts";
import { stageNames } from "../liquidation-stages.ts";
import { type Seen, useChannel } from "../live.ts";
import { Card, Figure, Figures, Meter, Nothing, Tag } from "../parts/basics.tsx";
import { Awaiting, Freshness } from "../parts/freshness.tsx";
import { LoadLine, standingOf } from "../parts/load-line.tsx";
import { type Column, Table } from "../parts/table.tsx";
import { qualityTone } from "../qualities.ts";
import { goTo } from "../router.ts";
import { hrefOf } from "../routes.ts";
import { useTally } from "../tally.ts";
import type { Tone } from "../tone.ts";

export function Overview() {
  const seen = useChannel("overview").value;
  return (
    <>
      <div class="view-head">
        <h1>Overview</h1>
        <span class="grow" />
        <Freshness of={seen} />
      </div>
      {seen.data === null ? <Awaiting of={seen} what="the book" /> : <Parts data={seen.data} seen={seen} />}
    </>
  );
}

function Parts({ data, seen }: { readonly data: OverviewData; readonly seen: Seen<OverviewData> }) {
  return (
    <>
      <Headline data={data} />
      <div class="grid">
        <Accounts pools={data.pools} />
        <Stages stages={data.stages} />
        <div class="half column">
          <Funds funds={data.funds} />
          <Halts data={data} t={seen.t} />
        </div>
        <div class="half column">
          <Marks marks={data.marks} t={seen.t} />
          <Latencies data={data} />
        </div>
      </div>
    </>
  );
}

function Headline({ data }: { readonly data: OverviewData }) {
  const pools = Object.values(data.pools);
  const liquidating = pools.filter((pool) => pool.liquidating).length;
  const worst = worstOf(pools);
  const open = Object.values(data.stages).reduce((total, stage) => total + stage.open, 0);
  const interest = sum(Object.values(data.marks).flatMap(({ openInterestUsd }) => openInterestUsd ?? []));
  const fund = sum(Object.values(data.funds).flatMap((one) => one.usd ?? []));
  const bad = Object.values(data.marks).filter(({ quality }) => quality !== "good").length;
  return (
    <Card title="Now">
      <Figures class="big">
        <Figure
          name="Worst margin ratio"
          value={ratio(worst?.ratio ?? null)}
          note={worst === null ? "no requirement" : worst.account}
          tone={standingOf(worst?.ratio ?? null).tone}
        />
        <Figure
          name="Liquidations running"
          value={whole(open)}
          note={`${liquidating} pools in sight`}
          tone={open === 0 ? "good" : "warn"}
        />
        <Figure name="Open interest" value={usd(interest)} note={`${Object.keys(data.marks).length} instruments`} />
        <Figure name="Insurance funds" value={usd(fund)} note={fundNote(data.funds)} tone={fundTone(data.funds)} />
        <Figure
          name="Prices"
          value={bad === 0 ? "all good" : `${bad} not good`}
          note={`${Object.keys(data.marks).length} marks`}
          tone={bad === 0 ? "good" : "bad"}
        />
        <Figure
          name="Halts in force"
          value={whole(Object.keys(data.halts).length)}
          note={Object.keys(data.halts).length === 0 ? "none" : "see below"}
          tone={Object.keys(data.halts).length === 0 ? "good" : "bad"}
        />
      </Figures>
    </Card>
  );
}

function worstOf(pools: readonly PoolTile[]): PoolTile | null {
  let worst: PoolTile | null = null;
  for (const pool of pools)
    if (pool.ratio !== null && (worst === null || worst.ratio === null || compare(pool.ratio, worst.ratio) < 0))
      worst = pool;
  return worst;
}

const fundTone = (funds: OverviewData["funds"]): Tone =>
  Object.values(funds).some(({ braked }) => braked) ? "bad" : "plain";
const fundNote = (funds: OverviewData["funds"]): string =>
  Object.values(funds).some(({ braked }) => braked) ? "stopped: deleveraging instead" : "paying";

function Accounts({ pools }: { readonly pools: OverviewData["pools"] }) {
  const [asTable, setAsTable] = useState(false);
  const tiles: Tile[] = Object.entries(pools).map(([key, pool]) => ({ key, ...pool }));
  const view = (
    <button class="small" aria-pressed={asTable} onClick={() => setAsTable(!asTable)}>
      {asTable ? "Map" : "Table"}
    </button>
  );
  return (
    <Card title="Accounts by margin ratio and notional" class="two-thirds" aside={view}>
      {asTable ? (
        <PoolTable tiles={tiles} />
      ) : (
        <HeatMap tiles={tiles} open={(account) => goTo(hrefOf("account", account))} />
      )}
    </Card>
  );
}

const byRatio = (a: Tile, b: Tile): number =>
  a.ratio === null || b.ratio === null
    ? Number(a.ratio === null) - Number(b.ratio === null)
    : compare(a.ratio, b.ratio);

const poolColumns: readonly Column<Tile>[] = [
  {
    name: "Account",
    cell: ({ account }) => <a href={hrefOf("account", account)}>{account}</a>,
    order: (a, b) => (a.account < b.account ? -1 : 1),
  },
  { name: "Pool", cell: ({ instrument }) => instrument ?? "cross", wide: true },
  { name: "Ratio", number: true, cell: (tile) => ratio(tile.ratio), order: byRatio },
  { name: "Load line", cell: (tile) => <LoadLine ratio={tile.ratio} small />, wide: true },
  {
    name: "Notional",
    number: true,
    cell: (tile) => usd(tile.notionalUsd),
    order: (a, b) => compare(a.notionalUsd, b.notionalUsd),
  },
  {
    name: "Equity",
    number: true,
    cell: (tile) => usd(tile.equity),
    order: (a, b) => compare(a.equity, b.equity),
    wide: true,
  },
  {
    name: "State",
    cell: (tile) =>
      tile.liquidating ? (
        <Tag tone="bad">liquidating</Tag>
      ) : (
        <Tag tone={standingOf(tile.ratio).tone}>{standingOf(tile.ratio).text}</Tag>
      ),
  },
];

const PoolTable = ({ tiles }: { readonly tiles: readonly Tile[] }) => (
  <Table
    caption="Pools, from the lowest margin ratio"
    columns={poolColumns}
    rows={[...tiles].sort(byRatio)}
    keyOf={({ key }) => key}
    none="No pool has a position."
  />
);

function Stages({ stages }: { readonly stages: OverviewData["stages"] }) {
  const tally = useTally();
  const most = Math.max(1, ...Object.values(stages).map(({ open }) => open));
  return (
    <Card title="Liquidations by stage" class="third" aside={<a href={hrefOf("liquidations")}>all</a>}>
      <table class="stages">
        <caption class="unseen">Liquidations that run, and steps seen since this page was opened, by stage</caption>
        <thead>
          <tr>
            <th scope="col">Stage</th>
            <th scope="col" class="number">
              Running
            </th>
            <th scope="col" />
            <th scope="col" class="number">
              Steps seen
            </th>
          </tr>
        </thead>
        <tbody>
          {Object.entries(stageNames).map(([stage, name]) => {
            const open = stages[stage]?.open ?? 0;
            const tone = Number(stage) >= 6 ? "bad" : Number(stage) >= 4 ? "warn" : "accent";
            return (
              <tr key={stage}>
                <th scope="row">
                  {stage} {name}
                </th>
                <td class="number">
                  <b>{whole(open)}</b>
                </td>
                <td class="bar">
                  <Meter name={`${name} running`} share={open / most} text={`${open} running`} tone={tone} />
                </td>
                <td class="number soft">{whole(tally.steps[Number(stage)] ?? 0)}</td>
              </tr>
            );
          })}
        </tbody>
      </table>
      <p class="faint">
        {whole(tally.started)} began and {whole(tally.ended)} ended since this page was opened; the fund paid{" "}
        {tally.paid.length === 0
          ? "nothing"
          : tally.paid.map(([asset, amount]) => `${short(amount)} ${asset}`).join(", ")}
        .
      </p>
    </Card>
  );
}

function Funds({ funds }: { readonly funds: OverviewData["funds"] }) {
  const rows = Object.entries(funds).filter(([, fund]) => fund.balance !== "0" || fund.parked !== "0");
  const [first] = rows;
  const act = (
    <CommandButton name="fund" given={first === undefined ? {} : { asset: first[0] }}>
      Top up or draw down …
    </CommandButton>
  );
  return (
    <Card title="Insurance funds" aside={act}>
      {rows.length === 0 ? (
        <Nothing>No fund holds anything.</Nothing>
      ) : (
        rows.map(([asset, fund]) => <FundRow key={asset} asset={asset} fund={fund} />)
      )}
    </Card>
  );
}

function FundRow({ asset, fund }: { readonly asset: string; readonly fund: Fund }) {
  const used = fund.brakeAt === null ? null : quotient(fund.drawdown, fund.brakeAt);
  const share = used === null ? 0 : drawn(used);
  const tone: Tone = fund.braked ? "bad" : share > 0.75 ? "warn" : share > 0.5 ? "watch" : "good";
  return (
    <div class="fund">
      <Figures>
        <Figure name={asset} value={short(fund.balance)} note={fund.usd === null ? "no price" : usd(fund.usd)} />
        <Figure name="Drawdown, 8 h" value={percent(fund.drawdown)} note={brakeNote(fund)} tone={tone} />
        <Figure
          name="Room until ADL"
          value={fund.room === null ? "all it has" : short(fund.room)}
          note={fund.room === null ? "no brake" : asset}
          tone={tone}
        />
        {fund.parked === "0" ? null : <Figure name="Parked debt" value={short(fund.parked)} note={asset} tone="bad" />}
      </Figures>
      {fund.brakeAt === null ? null : (
        <Meter
          name={`${asset}: drawdown on the way to ADL`}
          share={share}
          text={`${percent(fund.drawdown)} of ${percent(fund.brakeAt)}`}
          tone={tone}
        />
      )}
    </div>
  );
}

function brakeNote({ brakeAt, brakeUntil, braked }: Fund): string {
  if (brakeAt === null) return "no brake";
  return braked ? `stopped until below ${percent(brakeUntil, 0)}` : `stops at ${percent(brakeAt, 0)}, then ADL`;
}

interface MarkRow extends Mark {
  readonly id: string;
}

function Marks({ marks, t }: { readonly marks: OverviewData["marks"]; readonly t: number | null }) {
  const columns: readonly Column<MarkRow>[] = [
    { name: "Instrument", cell: ({ id }) => <a href={hrefOf("instrument", id)}>{id}</a> },
    { name: "Mark", number: true, cell: (mark) => <b>{price(mark.price)}</b> },
    { name: "Quality", cell: ({ quality }) => <Tag tone={qualityTone[quality]}>{quality}</Tag> },
    {
      name: "Changed",
      number: true,
      wide: true,
      cell: ({ at }) => (t === null || at === 0 ? "–" : `${duration(Math.max(0, t - at))} ago`),
    },
    { name: "Open interest", number: true, cell: ({ openInterest }) => short(openInterest), wide: true },
    { name: "USD", number: true, cell: ({ openInterestUsd }) => usd(openInterestUsd) },
  ];
  const rows = Object.entries(marks).map(([id, mark]) => ({ id, ...mark }));
  return (
    <Card title="Marks" class="flush">
      <Table
        caption="Marks and their quality"
        columns={columns}
        rows={rows}
        keyOf={({ id }) => id}
        none="No instrument has a mark yet."
      />
    </Card>
  );
}

function Halts({ data, t }: { readonly data: OverviewData; readonly t: number | null }) {
  const rows = Object.entries(data.halts).map(([key, halt]) => ({ key, ...halt }));
  const columns: readonly Column<(typeof rows)[number]>[] = [
    { name: "Scope", cell: scopeText },
    { name: "State", cell: ({ state }) => <Tag tone={stateTone[state]}>{stateWords[state]}</Tag> },
    { name: "Reason", cell: ({ reason, manual }) => `${words(reason)}${manual ? " (by hand)" : ""}` },
    { name: "Since", cell: ({ since }) => moment(since, t), wide: true },
    { name: "Until", cell: ({ until }) => (until === null ? "lifted by hand" : moment(until, t)) },
  ];
  return (
    <Card title="Halts" class="flush" aside={<a href={hrefOf("breakers")}>breakers</a>}>
      <Table
        caption="Halts in force"
        columns={columns}
        rows={rows}
        keyOf={({ key }) => key}
        none="Nothing is halted."
      />
    </Card>
  );
}

function Latencies({ data }: { readonly data: OverviewData }) {
  const rows = Object.entries(data.latencies).map(([name, row]) => ({ name, ...row }));
  const columns: readonly Column<(typeof rows)[number]>[] = [
    { name: "Latency", cell: ({ name }) => words(name) },
    { name: "p50", number: true, cell: ({ p50Ms }) => `${p50Ms.toFixed(1)} ms` },
    { name: "p99", number: true, cell: ({ p99Ms }) => `${p99Ms.toFixed(1)} ms` },
    { name: "Count", number: true, cell: ({ count }) => whole(count), wide: true },
  ];
  const shards = Object.entries(data.shards).map(([id, shard]) => ({ id, ...shard }));
  const shardColumns: readonly Column<(typeof shards)[number]>[] = [
    { name: "Shard", cell: ({ id }) => id },
    { name: "Log", number: true, cell: ({ logSeq }) => `#${whole(logSeq)}` },
    { name: "Quiet", number: true, cell: ({ quietMs }) => duration(quietMs) },
    { name: "Rules", number: true, cell: ({ ruleVersion }) => `v${ruleVersion}`, wide: true },
    { name: "Accounts", number: true, cell: ({ accounts }) => whole(accounts), wide: true },
    { name: "Open effects", number: true, cell: ({ openEffects }) => whole(openEffects) },
    {
      name: "Self-audit",
      cell: ({ auditFailure }) =>
        auditFailure === null ? <Tag tone="good">holds</Tag> : <Tag tone="bad">{auditFailure}</Tag>,
    },
  ];
  return (
    <Card title="Latencies and shards" class="flush">
      <Table
        caption="Latencies since the process began"
        columns={columns}
        rows={rows}
        keyOf={({ name }) => name}
        none="Nothing is measured yet."
      />
      <Table caption="Shards" columns={shardColumns} rows={shards} keyOf={({ id }) => id} none="No shard." />
    </Card>
  );
}
