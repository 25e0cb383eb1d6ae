import type { CrashOutcome } from "#libs/simulation/crash-outcome.ts";
import { basisPoints, count, duration, micros, minute, percent, usd } from "./crash-figures.ts";
import type { Speed } from "./crash-speed.ts";

/** One run with its name in a comparison, and what it cost to compute. */
export interface NamedRun {
  readonly name: string;
  readonly outcome: CrashOutcome;
  readonly speed: Speed;
}

export type Row = readonly string[];

/** A table for terminals: the first column left, the others right. */
export function textTable(rows: readonly Row[]): string {
  const widths = (rows[0] ?? []).map((_, at) => Math.max(...rows.map((row) => (row[at] ?? "").length)));
  return rows
    .map((row) =>
      row.map((cell, at) => (at === 0 ? cell.padEnd(widths[at] ?? 0) : cell.padStart(widths[at] ?? 0))).join("  "),
    )
    .map((line) => `  ${line.trimEnd()}`)
    .join("\n");
}

const section = (title: string, body: string): string => `\n${title}\n${body}`;
const pairs = (record: Readonly<Record<string, number>>): string =>
  Object.entries(record)
    .map(([key, value]) => `${key} ${count(value)}`)
    .join(", ") || "none";

export function stageRows(outcome: CrashOutcome): Row[] {
  return [
    ["stage", "accounts", "closes", "closed", "slippage", "cost", "worst"],
    ...outcome.stages.map((one) => [
      `${one.stage} ${one.name}`,
      count(one.accounts),
      count(one.closes),
      usd(one.notionalUsd),
      basisPoints(one.slippageBp),
      usd(one.slippageUsd),
      basisPoints(one.worstSlippageBp),
    ]),
  ];
}

export function haircutRows(outcome: CrashOutcome): Row[] {
  return [
    ["asset", "steps", "initial from", "highest", "at the end", "maintenance highest"],
    ...outcome.haircuts
      .map(({ asset, path }) => ({ asset, path: path.filter((one) => one.t >= outcome.from) }))
      .filter(({ path }) => path.length > 0)
      .map(({ asset, path }) => [
        asset,
        count(path.length),
        percent(path[0]?.initial ?? 0),
        percent(Math.max(...path.map((one) => one.initial))),
        percent(path.at(-1)?.initial ?? 0),
        percent(Math.max(...path.map((one) => one.maintenance))),
      ]),
  ];
}

/** Halts by scope, id, state and reason: how often and for how long. */
export function haltRows(outcome: CrashOutcome): Row[] {
  const groups = new Map<string, { count: number; ms: number; first: number }>();
  for (const { scope, id, state, reason, since, until } of outcome.halts) {
    const key = [id ?? scope, state, reason].join("\t");
    const group = groups.get(key) ?? { count: 0, ms: 0, first: since };
    group.count += 1;
    group.ms += (until ?? outcome.to) - since;
    groups.set(key, group);
  }
  const rows = [...groups].sort(([, left], [, right]) => right.ms - left.ms);
  return [
    ["where", "state", "reason", "times", "in all", "first"],
    ...rows.map(([key, group]) => [...key.split("\t"), count(group.count), duration(group.ms), minute(group.first)]),
  ];
}

export function adlRows(outcome: CrashOutcome): Row[] {
  return [
    ["instrument", "needed", "taken", "fills"],
    ...outcome.adl.byInstrument.map((one) => [
      one.instrument,
      usd(one.neededUsd),
      usd(one.notionalUsd),
      count(one.fills),
    ]),
  ];
}

export function adlAccountRows(outcome: CrashOutcome): Row[] {
  return [
    ["account", "taken", "share", "fills"],
    ...outcome.adl.top.map((one) => [
      one.account,
      usd(one.notionalUsd),
      percent(one.notionalUsd / Math.max(1e-9, outcome.adl.notionalUsd)),
      count(one.fills),
    ]),
  ];
}

export function speedRows({ outcome, speed }: NamedRun): Row[] {
  return [
    ["entries applied", count(speed.entries)],
    ["entries per second", count(speed.entriesPerSecond)],
    ["engine time, wall time", `${speed.appliedSeconds.toFixed(1)} s, ${speed.wallSeconds.toFixed(1)} s`],
    ["tick p50, p99, max", `${micros(speed.tickP50)}, ${micros(speed.tickP99)}, ${micros(speed.tickMax)}`],
    [
      "accounts touched per tick: mean, p99, max",
      [outcome.touched.mean, outcome.touched.p99, outcome.touched.max].map((one) => percent(one, 3)).join(", "),
    ],
    ["exact fallbacks", count(outcome.counters["exactFallbacks"] ?? 0)],
  ];
}

export function lossesText(outcome: CrashOutcome): string {
  const shared = Object.entries(outcome.lossShared).map(
    ([asset, one]) => `${one.amount.toFixed(4)} ${asset} by ${count(one.accounts)} accounts`,
  );
  const parked = Object.entries(outcome.debtParked).map(([asset, amount]) => `${amount.toFixed(4)} ${asset}`);
  return `shared: ${shared.join(", ") || "nothing"}; parked: ${parked.join(", ") || "nothing"}`;
}

/** The report of one run for a terminal. */
export function crashReport(run: NamedRun): string {
  const { outcome } = run;
  const { fund, adl } = outcome;
  const parts = [
    `${outcome.title} (${outcome.event}), ${minute(outcome.from)} to ${minute(outcome.to)} UTC`,
    `${count(outcome.accounts)} accounts, ${count(outcome.makers)} market makers, seed ${outcome.seed}, policy ${outcome.policy}`,
    `open interest ${usd(outcome.openInterestAtStartUsd)} at the start, ${usd(outcome.openInterestAtEndUsd)} at the end`,
    section("Warnings", `  ${pairs(outcome.warnings)}; top-ups ${count(outcome.topUps)}`),
    section(
      `Liquidations: ${count(outcome.liquidated)} accounts; ended: ${pairs(outcome.ended)}`,
      textTable(stageRows(outcome)),
    ),
    section(
      "Fund",
      `  ${usd(fund.startUsd)} at the start, lowest ${usd(fund.lowestUsd)}, ${usd(fund.endUsd)} at the end; paid ${
        Object.entries(fund.paid)
          .map(([asset, amount]) => `${amount.toFixed(2)} ${asset}`)
          .join(", ") || "nothing"
      }`,
    ),
    section(
      `Deleveraging: ${usd(adl.notionalUsd)} taken of ${usd(adl.neededUsd)} needed, from ${count(adl.accounts)} accounts in ${count(adl.fills)} fills; the largest bore ${percent(adl.largestShare)}`,
      adl.fills > 0 ? `${textTable(adlRows(outcome))}\n\n${textTable(adlAccountRows(outcome).slice(0, 6))}` : "  none",
    ),
    section("Losses", `  ${lossesText(outcome)}`),
    section("Haircuts", textTable(haircutRows(outcome))),
    section("Breakers", outcome.halts.length > 0 ? textTable(haltRows(outcome).slice(0, 16)) : "  none"),
    section("Speed", textTable(speedRows(run))),
    section(
      "Invariants",
      textTable(
        Object.entries(outcome.invariants).map(([name, value]) => [name, value === true ? "holds" : String(value)]),
      ),
    ),
    `\nstages reached: ${outcome.reached.join(", ")}${outcome.missing.length > 0 ? `; not reached: ${outcome.missing.join(", ")}` : ""}`,
    `state hash ${outcome.stateHash}`,
  ];
  return parts.join("\n");
}

/** What a comparison puts side by side: a label and one figure per run. */
export function comparisonRows(runs: readonly NamedRun[]): Row[] {
  const line = (label: string, figure: (outcome: CrashOutcome) => string): Row => [
    label,
    ...runs.map(({ outcome }) => figure(outcome)),
  ];
  const stage = (number: number) => (outcome: CrashOutcome) =>
    usd(outcome.stages.find((one) => one.stage === number)?.notionalUsd ?? 0);
  return [
    ["", ...runs.map(({ name }) => name)],
    line("accounts liquidated", (one) => count(one.liquidated)),
    line("closed partially", stage(2)),
    line("closed in full", stage(3)),
    line("taken by providers", stage(4)),
    line("closed with the fund", stage(5)),
    line("slippage", (one) => usd(one.stages.reduce((sum, each) => sum + each.slippageUsd, 0))),
    line("fund at its lowest", (one) => usd(one.fund.lowestUsd)),
    line("fund at the end", (one) => usd(one.fund.endUsd)),
    line("deleveraging needed", (one) => usd(one.adl.neededUsd)),
    line("deleveraging taken", (one) => usd(one.adl.notionalUsd)),
    line("accounts deleveraged", (one) => count(one.adl.accounts)),
    line("deleveraging fills", (one) => count(one.adl.fills)),
    line("largest single share", (one) => percent(one.adl.largestShare)),
    line("accounts sharing losses", (one) =>
      count(Object.values(one.lossShared).reduce((sum, each) => sum + each.accounts, 0)),
    ),
    line("open interest at the end", (one) => usd(one.openInterestAtEndUsd)),
    line("invariants", (one) => (one.invariantsHold ? "hold" : "BROKEN")),
    line("state hash", (one) => one.stateHash.slice(0, 12)),
  ];
}

export function comparisonReport(runs: readonly NamedRun[]): string {
  const first = runs[0] as NamedRun;
  const { outcome } = first;
  return [
    `${outcome.title} (${outcome.event}), ${count(outcome.accounts)} accounts, seed ${outcome.seed}`,
    "",
    textTable(comparisonRows(runs)),
  ].join("\n");
}
