import { count, duration, percent, usd } from "../crash-figures.ts";
import type { Style } from "../output.ts";
import { latencyNames, type LatencyName, type Measured } from "./latencies.ts";
import { type LiveModel, stageNames } from "./model.ts";
import type { Processes } from "./processes.ts";
import type { Latencies } from "./latencies.ts";

/** All that the view shows besides the model. */
export interface Shown {
  readonly model: LiveModel;
  readonly latencies: Latencies;
  /** Answering a check, inside the margin process. */
  readonly check: Measured | null;
  readonly processes: Processes;
  readonly speed: number;
  readonly from: number;
  readonly to: number;
  /** Wall ms since the market began. */
  readonly elapsedMs: number;
  readonly shards: readonly string[];
  readonly paint: Style;
  readonly columns: number;
}

const barWidth = 24;

/** The whole view, line by line; nothing in it is wider than the terminal. */
export function screen(shown: Shown): string {
  const { columns } = shown;
  const blocks = [head(shown), marks(shown), riskiest(shown), stages(shown), fund(shown), times(shown), recent(shown)];
  return blocks
    .filter((lines) => lines.length > 0)
    .map((lines) => lines.map((line) => cut(line, columns)).join("\n"))
    .join("\n\n");
}

function head({ model, processes, speed, from, to, elapsedMs, shards, paint }: Shown): string[] {
  const at = model.t === 0 ? from : Math.max(model.t, from);
  const share = Math.min(1, Math.max(0, (at - from) / Math.max(1, to - from)));
  const bar = "█".repeat(Math.round(share * barWidth)).padEnd(barWidth, "░");
  const clock = new Date(at).toISOString().slice(0, 19).replace("T", " ");
  const states = shards.map((shard) => {
    const status = model.states.get(shard);
    if (status === undefined) return paint.faint(`shard ${shard} starting`);
    const { state, appliedSeq, committedSeq, epoch } = status;
    const text = `shard ${shard} ${state}, epoch ${epoch}, entry ${count(appliedSeq)}, ${appliedSeq - committedSeq} behind`;
    return state === "ready" ? paint.good(text) : paint.warn(`${text} ${status.why ?? ""}`);
  });
  const down = processes.states.filter(({ running }) => !running).map(({ name }) => name);
  const restarts = [...processes.restarts].map(([name, times]) => `${name} ${times}×`);
  return [
    `${paint.strong("Plimsoll")}  ${clock} UTC  ${bar} ${percent(share, 0)}  ${speed}× for ${duration(elapsedMs)}   ${paint.faint("Ctrl-C stops")}`,
    ...states,
    ...(down.length > 0 ? [paint.bad(`down: ${down.join(", ")}`)] : []),
    ...(restarts.length > 0 ? [paint.warn(`started again: ${restarts.join(", ")}`)] : []),
  ];
}

function marks({ model, paint }: Shown): string[] {
  const rows = [...model.marks]
    .sort(([left], [right]) => (left < right ? -1 : 1))
    .map(([id, { price, from, low }]) => {
      const change = from === 0 ? 0 : Number(price) / from - 1;
      const depth = from === 0 ? 0 : low / from - 1;
      const quality = model.qualities.get(id) ?? "good";
      const moved = signed(change).padStart(9);
      const seen = quality === "good" ? "" : paint.warn(quality);
      return `${id.padEnd(12)}${short(price).padStart(12)}${change < 0 ? paint.bad(moved) : paint.good(moved)}${signed(depth).padStart(9)}  ${seen}`;
    });
  return rows.length === 0
    ? []
    : [paint.strong(`${"mark".padEnd(12)}${"".padStart(12)}${"change".padStart(9)}${"low".padStart(9)}`), ...rows];
}

function riskiest({ model, shards, paint }: Shown): string[] {
  const pools = shards.flatMap((shard) => model.states.get(shard)?.riskiest ?? []);
  if (pools.length === 0) return [];
  const rows = pools.slice(0, riskiestShown).map(({ account, instrument, ratio, equity, mm, liquidating }) => {
    const value = ratio === null ? "–" : Number(ratio).toFixed(3);
    const text = `${account.padEnd(14)}${(instrument ?? "cross").padEnd(12)}${value.padStart(8)}${usd(Number(equity)).padStart(12)}${usd(Number(mm)).padStart(12)}`;
    return liquidating ? paint.bad(`${text}  liquidating`) : text;
  });
  return [
    paint.strong(`${"riskiest".padEnd(26)}${"ratio".padStart(8)}${"equity".padStart(12)}${"MM".padStart(12)}`),
    ...rows,
  ];
}

const riskiestShown = 6;

function stages({ model, paint }: Shown): string[] {
  const running = new Map<number, number>();
  for (const stage of model.sagas.values()) running.set(stage, (running.get(stage) ?? 0) + 1);
  const most = Math.max(1, ...[...model.stages.values()].map((one) => one.usd));
  const rows = Object.entries(stageNames).map(([key, name]) => {
    const stage = Number(key);
    const tally = model.stages.get(stage) ?? { steps: 0, usd: 0 };
    const bar = "▇".repeat(Math.ceil((tally.usd / most) * barWidth));
    const now = running.get(stage) ?? 0;
    const live = now === 0 ? "" : paint.warn(` ${now} running`);
    return `${`${stage} ${name}`.padEnd(14)}${count(tally.steps).padStart(7)}${usd(tally.usd).padStart(12)}  ${paint.bad(bar)}${live}`;
  });
  const ended = [...model.outcomes].map(([outcome, times]) => `${count(times)} ${outcome}`).join(", ");
  return [
    paint.strong(`${"stage".padEnd(14)}${"steps".padStart(7)}${"closed".padStart(12)}`),
    ...rows,
    `${count(model.liquidations)} liquidations began; ended: ${ended || "none"}`,
  ];
}

/** Insurance funds are in USDT in the demonstration; other assets are shown as they are. */
function fund({ model, shards, paint }: Shown): string[] {
  const balances = new Map<string, number>();
  const debts = new Map<string, number>();
  let halts = 0;
  for (const shard of shards) {
    const exchange = model.exchanges.get(shard);
    add(balances, exchange?.fund ?? {});
    add(debts, exchange?.badDebt ?? {});
    halts += exchange?.halts.length ?? 0;
  }
  const list = (of: ReadonlyMap<string, number>): string =>
    [...of]
      .filter(([, amount]) => amount !== 0)
      .map(([asset, amount]) => `${count(amount)} ${asset}`)
      .join(", ") || "0";
  const line = `fund ${list(balances)}   paid ${usd(model.fundPaidUsd)}   bad debt ${list(debts)}   ADL ${count(model.adlFills)} fills, ${usd(model.adlUsd)}`;
  return [
    line,
    halts === 0 ? paint.faint("no halt") : paint.bad(`${halts} ${halts === 1 ? "halt" : "halts"} in force`),
  ];
}

function add(into: Map<string, number>, amounts: Readonly<Record<string, string>>): void {
  for (const [asset, amount] of Object.entries(amounts)) into.set(asset, (into.get(asset) ?? 0) + Number(amount));
}

function times({ latencies, check, model, paint }: Shown): string[] {
  const rows = (Object.keys(latencyNames) as LatencyName[]).map((name) => row(latencyNames[name], latencies.get(name)));
  const trades =
    model.venue === null ? "" : `${count(model.venue.trades)} trades, ${count(model.venue.openOrders)} orders rest`;
  return [
    paint.strong(`${"latency, ms".padEnd(34)}${"p50".padStart(9)}${"p99".padStart(9)}${"count".padStart(10)}`),
    row("pre-trade check, in the process ≤", check),
    ...rows,
    paint.faint(trades),
  ];
}

export const row = (name: string, measured: Measured | null): string =>
  measured === null
    ? `${name.padEnd(34)}${"–".padStart(9)}`
    : `${name.padEnd(34)}${measured.p50.toFixed(2).padStart(9)}${measured.p99.toFixed(2).padStart(9)}${count(measured.count).padStart(10)}`;

function recent({ model, paint }: Shown): string[] {
  const tone = { plain: (text: string) => text, good: paint.good, warn: paint.warn, bad: paint.bad };
  return model.recent.map(
    ({ t, text, tone: of }) => `${paint.faint(new Date(t).toISOString().slice(11, 19))} ${tone[of](text)}`,
  );
}

const signed = (share: number): string => `${share > 0 ? "+" : ""}${percent(share, 2)}`;
const short = (price: string): string =>
  Number(price)
    .toPrecision(7)
    .replace(/\.?0+$/, "");

// oxlint-disable-next-line no-control-regex -- it is control characters that have no width
const escapes = /\u001b\[\d+m/g;

/** A line no wider than the terminal; colours take no room, and are ended where the line is. */
export function cut(line: string, columns: number): string {
  if (line.replace(escapes, "").length <= columns) return line;
  let width = 0;
  let end = 0;
  while (end < line.length && width < columns) {
    escapes.lastIndex = end;
    const found = escapes.exec(line);
    if (found?.index === end) end += found[0].length;
    else {
      end += 1;
      width += 1;
    }
  }
  return `${line.slice(0, end)}${line.includes("\u001b") ? "\u001b[0m" : ""}`;
}
