import type { CrashOutcome } from "#libs/simulation/crash-outcome.ts";
import { basisPoints, count, micros, minute, percent, usd } from "./crash-figures.ts";
import {
  adlAccountRows,
  adlRows,
  comparisonRows,
  haircutRows,
  haltRows,
  lossesText,
  type NamedRun,
  type Row,
  speedRows,
  stageRows,
} from "./crash-report.ts";
import { barTable, escape, lineChart, type Series, timeline, type TimelineRow } from "./report-charts.ts";
import { reportStyle } from "./report-style.ts";

function table(title: string, rows: readonly Row[], hideTitle: boolean = false): string {
  const [head = [], ...body] = rows;
  const cell = (text: string, at: number): string =>
    at === 0 ? `<th scope="row">${escape(text)}</th>` : `<td class="number">${escape(text)}</td>`;
  const heads = head
    .map((text, at) => `<th scope="col"${at > 0 ? ' class="number"' : ""}>${escape(text)}</th>`)
    .join("");
  const lines = body.map((row) => `<tr>${row.map(cell).join("")}</tr>`).join("");
  return `<div class="scroll"><table><caption${hideTitle ? ' class="unseen"' : ""}>${escape(title)}</caption><thead><tr>${heads}</tr></thead><tbody>${lines}</tbody></table></div>`;
}

const tile = (label: string, figure: string, note: string): string =>
  `<div class="tile"><dt>${escape(label)}</dt><dd><strong>${escape(figure)}</strong><span>${escape(note)}</span></dd></div>`;

function tiles({ outcome, speed }: NamedRun): string {
  const low = Math.min(...outcome.samples.map((one) => one.leadPrice));
  const start = outcome.samples[0]?.leadPrice ?? 0;
  const warned = Object.values(outcome.warnings).reduce((sum, one) => sum + one, 0);
  return `<dl class="tiles">${[
    tile("Lead price at its lowest", usd(low), `${percent(low / start - 1)} from ${usd(start)}`),
    tile("Accounts liquidated", count(outcome.liquidated), `of ${count(outcome.accounts)}; ${count(warned)} warnings`),
    tile("Insurance fund at its lowest", usd(outcome.fund.lowestUsd), `from ${usd(outcome.fund.startUsd)}`),
    tile(
      "Deleveraged",
      usd(outcome.adl.notionalUsd),
      `of ${usd(outcome.adl.neededUsd)} needed, ${count(outcome.adl.accounts)} accounts`,
    ),
    tile(
      "Tick p50 and p99",
      `${micros(speed.tickP50)}, ${micros(speed.tickP99)}`,
      `${count(speed.entriesPerSecond)} entries a second`,
    ),
    tile("Invariants", outcome.invariantsHold ? "All hold" : "Broken", `state ${outcome.stateHash.slice(0, 12)}`),
  ].join("")}</dl>`;
}

type Sample = CrashOutcome["samples"][number];

function overlay(runs: readonly NamedRun[], figure: (sample: Sample) => number): Series[] {
  return runs.map(({ name, outcome }) => ({
    name,
    points: outcome.samples.map((one) => [one.t, figure(one)] as const),
  }));
}

function charts(runs: readonly NamedRun[]): string {
  const { outcome } = runs[0] as NamedRun;
  const { from, to } = outcome;
  const window = { from, to, format: usd };
  return [
    lineChart({
      ...window,
      title: "Index price of the lead instrument",
      series: overlay(runs.slice(0, 1), (one) => one.leadPrice),
    }),
    '<div class="pair">',
    lineChart({
      ...window,
      half: true,
      zero: true,
      title: "Insurance fund",
      series: overlay(runs, (one) => one.fundUsd),
    }),
    lineChart({
      ...window,
      half: true,
      zero: true,
      title: "Open interest of traders",
      series: overlay(runs, (one) => one.openInterestUsd),
    }),
    lineChart({
      ...window,
      half: true,
      zero: true,
      format: count,
      title: "Accounts liquidated so far",
      series: overlay(runs, (one) => one.liquidated),
    }),
    lineChart({
      ...window,
      half: true,
      zero: true,
      title: "Deleveraged so far",
      series: overlay(runs, (one) => one.adlUsd),
    }),
    "</div>",
  ].join("");
}

/** One line per collateral: its initial or its maintenance haircut, from what it was at the start to the end. */
function haircutSeries(outcome: CrashOutcome, kind: "initial" | "maintenance"): Series[] {
  const { from, to } = outcome;
  return outcome.haircuts.flatMap(({ asset, path }): Series[] => {
    const before = path.findLast((one) => one.t < from);
    const moves = path.filter((one) => one.t >= from);
    const last = moves.at(-1) ?? before;
    if (last === undefined) return [];
    const points = [...(before === undefined ? [] : [{ ...before, t: from }]), ...moves, { ...last, t: to }];
    return [{ name: asset, points: points.map((one) => [one.t, one[kind]] as const) }];
  });
}

function haircutSection(outcome: CrashOutcome): string {
  const { from, to } = outcome;
  const chart = { from, to, half: true, steps: true, zero: true, format: (value: number) => percent(value, 0) };
  return [
    "<section><h2>Haircuts</h2><p>The initial haircut rises at once and falls slowly; the maintenance haircut moves at most one point an hour, so that volatility alone liquidates nobody at once.</p>",
    '<div class="pair">',
    lineChart({ ...chart, title: "Initial haircut", series: haircutSeries(outcome, "initial") }),
    lineChart({ ...chart, title: "Maintenance haircut", series: haircutSeries(outcome, "maintenance") }),
    "</div>",
    table("Haircuts", haircutRows(outcome), true),
    "</section>",
  ].join("");
}

const haltLevels: Readonly<Record<string, number>> = { reduce_only: 1, no_new_orders: 2, cancel_all: 3, paused: 3 };

function haltSection(outcome: CrashOutcome): string {
  const rows = new Map<string, TimelineRow["spans"][number][]>();
  for (const halt of outcome.halts) {
    const name = halt.id ?? halt.scope;
    const spans = rows.get(name) ?? [];
    const until = halt.until ?? outcome.to;
    spans.push({
      from: halt.since,
      to: until,
      level: haltLevels[halt.state] ?? 1,
      label: `${halt.state}, ${halt.reason}, from ${minute(halt.since)} to ${minute(until)}`,
    });
    rows.set(name, spans);
  }
  if (rows.size === 0) return "<section><h2>Breakers</h2><p>None tripped.</p></section>";
  const named = [...rows]
    .map(([name, spans]) => ({ name, spans }))
    .sort((left, right) => (left.name < right.name ? -1 : 1));
  const key =
    '<ul class="legend"><li><span class="swatch l1"></span>reduce only</li><li><span class="swatch l2"></span>no new orders</li><li><span class="swatch l3"></span>cancel all, paused</li></ul>';
  return `<section><h2>Breakers</h2>${key}${timeline("Halts over time", outcome.from, outcome.to, named)}<details><summary>As a table</summary>${table("Breakers", haltRows(outcome), true)}</details></section>`;
}

function adlSection(outcome: CrashOutcome): string {
  if (outcome.adl.fills === 0) return "<section><h2>Deleveraging</h2><p>Nobody was deleveraged.</p></section>";
  const { adl } = outcome;
  const most = adl.top[0]?.notionalUsd ?? 1;
  const [heads = [], ...rows] = adlAccountRows(outcome);
  const bars = rows.map((cells, at) => ({ cells, share: (adl.top[at]?.notionalUsd ?? 0) / most }));
  return `<section><h2>Deleveraging</h2><p>${escape(`${usd(adl.notionalUsd)} taken of ${usd(adl.neededUsd)} needed, from ${count(adl.accounts)} accounts in ${count(adl.fills)} fills, under the policy ${outcome.policy}. The largest bore ${percent(adl.largestShare)} of it.`)}</p><div class="pair">${barTable("Those who gave most", heads, bars)}${table("By instrument", adlRows(outcome))}</div></section>`;
}

function invariantSection(outcome: CrashOutcome): string {
  const rows: Row[] = [
    ["invariant", "result"],
    ...Object.entries(outcome.invariants).map(([name, value]): Row => [name, value === true ? "holds" : String(value)]),
  ];
  return `<section><h2>Invariants</h2>${table("Invariants", rows, true)}<p>State hash <code>${escape(outcome.stateHash)}</code></p></section>`;
}

function runSections(run: NamedRun): string {
  const { outcome } = run;
  const slippage = outcome.stages.reduce((sum, one) => sum + one.slippageUsd, 0);
  const closed = outcome.stages.reduce((sum, one) => sum + one.notionalUsd, 0);
  return [
    `<section><h2>Liquidations</h2><p>${escape(`${usd(closed)} closed at a cost of ${usd(slippage)} against mark, ${basisPoints(closed > 0 ? (slippage / closed) * 10_000 : 0)} on average.`)}</p>${table("Closes by stage", stageRows(outcome), true)}</section>`,
    adlSection(outcome),
    `<section><h2>Losses shared</h2><p>${escape(lossesText(outcome))}</p></section>`,
    haircutSection(outcome),
    haltSection(outcome),
    invariantSection(outcome),
    `<section><h2>Speed</h2>${table("Speed", [["", ""], ...speedRows(run)], true)}<p>Wall time of this machine; everything else on this page is the same on every machine.</p></section>`,
  ].join("");
}

/** One self-contained page for one run, or for several side by side: the first run's details, and all of them compared. */
export function htmlReport(runs: readonly NamedRun[]): string {
  const first = runs[0] as NamedRun;
  const { outcome } = first;
  const compared = runs.length > 1;
  const comparison = compared
    ? `<section><h2>Side by side</h2>${table("The same crash under each", comparisonRows(runs), true)}</section>`
    : tiles(first);
  const details = compared
    ? runs
        .map((run) => `<details class="run"><summary>${escape(run.name)}</summary>${runSections(run)}</details>`)
        .join("")
    : runSections(first);
  const setting = `${minute(outcome.from)} to ${minute(outcome.to)} UTC, ${count(outcome.accounts)} accounts and ${count(outcome.makers)} market makers, open interest ${usd(outcome.openInterestAtStartUsd)}, seed ${outcome.seed}, policy ${compared ? runs.map(({ name }) => name).join(" against ") : outcome.policy}`;
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${escape(`Plimsoll: ${outcome.title}`)}</title>
<style>${reportStyle}</style>
</head>
<body>
<header><p class="brand">Plimsoll <span>crash report</span></p><h1>${escape(outcome.title)}</h1><p>${escape(setting)}.</p></header>
<main>
${comparison}
<section><h2>The crash</h2>${charts(runs)}</section>
${details}
</main>
<footer><p>Recorded prices against a generated population. No account on this page is a person's.</p></footer>
</body>
</html>
`;
}
