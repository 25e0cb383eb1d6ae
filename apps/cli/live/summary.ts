import { count, duration, usd } from "../crash-figures.ts";
import type { Style } from "../output.ts";
import type { Check } from "./ending.ts";
import { latencyNames, type LatencyName, type Measured } from "./latencies.ts";
import { type LiveModel, stageNames } from "./model.ts";
import { row, type Shown } from "./screen.ts";

/** What a run did and whether all that must hold did. Shape of `--json`. */
export interface Summary {
  readonly ok: boolean;
  readonly crash: string;
  readonly traders: number;
  readonly seed: number;
  readonly speed: number;
  /** UTC ms of the market. */
  readonly from: number;
  readonly to: number;
  readonly wallMs: number;
  readonly entries: number;
  readonly facts: number;
  readonly trades: number;
  readonly liquidations: number;
  readonly stages: readonly {
    readonly stage: number;
    readonly name: string;
    readonly steps: number;
    readonly usd: number;
  }[];
  readonly outcomes: Readonly<Record<string, number>>;
  readonly adlFills: number;
  readonly fundPaidUsd: number;
  readonly parkedDebts: number;
  readonly refusals: Readonly<Record<string, number>>;
  /** ms. */
  readonly latencies: Readonly<Record<string, Measured | null>>;
  readonly restarts: Readonly<Record<string, number>>;
  readonly checks: readonly Check[];
}

/** Stages that the demonstration is there to show. */
const stagesShown = [2, 3, 4, 5, 6] as const;

/** `every`: this run was asked for nothing special, and so must reach the whole waterfall. */
export function stagesReached(model: LiveModel, every: boolean): Check {
  const missing = stagesShown.filter((stage) => (model.stages.get(stage)?.steps ?? 0) === 0);
  const detail =
    missing.length === 0
      ? "partial, full, providers, fund and ADL"
      : `not reached: ${missing.map((one) => stageNames[one]).join(", ")}`;
  return { what: "stages of the waterfall", ok: !every || missing.length === 0, detail };
}

export function summarise(
  shown: Shown,
  crowd: { readonly crash: string; readonly traders: number; readonly seed: number },
  checks: readonly Check[],
): Summary {
  const { model, latencies, check, processes, speed, from, to, elapsedMs } = shown;
  const stages = Object.entries(stageNames).map(([key, name]) => ({
    stage: Number(key),
    name,
    ...(model.stages.get(Number(key)) ?? { steps: 0, usd: 0 }),
  }));
  return {
    ok: checks.every(({ ok }) => ok),
    crash: crowd.crash,
    traders: crowd.traders,
    seed: crowd.seed,
    speed,
    from,
    to,
    wallMs: Math.round(elapsedMs),
    entries: [...model.states.values()].reduce((sum, { appliedSeq }) => sum + appliedSeq, 0),
    facts: model.factCount,
    trades: model.venue?.trades ?? 0,
    liquidations: model.liquidations,
    stages,
    outcomes: Object.fromEntries(model.outcomes),
    adlFills: model.adlFills,
    fundPaidUsd: model.fundPaidUsd,
    parkedDebts: model.parked,
    refusals: model.venue?.rejected ?? {},
    latencies: {
      checkInProcess: check,
      markToClose: latencies.get("close"),
      markToSettled: latencies.get("settled"),
    },
    restarts: Object.fromEntries(processes.restarts),
    checks,
  };
}

export function summaryText(summary: Summary, paint: Style): string {
  const { latencies } = summary;
  const refusals = Object.entries(summary.refusals).sort(([, left], [, right]) => right - left);
  const lines = [
    paint.strong(
      `${summary.crash}: ${duration(summary.to - summary.from)} of market at ${summary.speed}× in ${duration(summary.wallMs)}`,
    ),
    `${count(summary.traders)} traders, ${count(summary.trades)} trades, ${count(summary.entries)} entries, ${count(summary.facts)} facts, ${count(summary.liquidations)} liquidations`,
    "",
    ...summary.stages.map(
      ({ stage, name, steps, usd: closed }) =>
        `${`${stage} ${name}`.padEnd(16)}${count(steps).padStart(7)} steps${usd(closed).padStart(12)}`,
    ),
    `ended: ${
      Object.entries(summary.outcomes)
        .map(([outcome, times]) => `${count(times)} ${outcome}`)
        .join(", ") || "none"
    }; fund paid ${usd(summary.fundPaidUsd)}; ${count(summary.adlFills)} ADL fills; ${count(summary.parkedDebts)} debts parked`,
    `refused by code: ${refusals.map(([code, times]) => `${code} ${count(times)}`).join(", ") || "none"}`,
    "",
    `${"latency, ms".padEnd(34)}${"p50".padStart(9)}${"p99".padStart(9)}${"count".padStart(10)}`,
    row("pre-trade check, in the process ≤", latencies["checkInProcess"] ?? null),
    ...(Object.keys(latencyNames) as LatencyName[]).map((name) =>
      row(latencyNames[name], latencies[name === "close" ? "markToClose" : "markToSettled"] ?? null),
    ),
    "",
    ...summary.checks.map(
      ({ what, ok, detail }) =>
        `${ok ? paint.good("holds") : paint.bad("FAILS")}  ${what}${detail === "" ? "" : paint.faint(`  ${detail}`)}`,
    ),
    "",
    summary.ok ? paint.good("everything held") : paint.bad("not everything held"),
  ];
  return `${lines.join("\n")}\n`;
}
