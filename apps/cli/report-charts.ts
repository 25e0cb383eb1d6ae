/** Small charts as inline SVG: no script, no font, no asset; colours are classes that the page's style sheet fills. */

export interface Series {
  readonly name: string;
  /** Time in UTC ms and value, times ascending. */
  readonly points: readonly (readonly [t: number, value: number])[];
}

export interface LineChart {
  readonly title: string;
  readonly from: number;
  readonly to: number;
  readonly series: readonly Series[];
  readonly format: (value: number) => string;
  /** Values hold until the next one instead of leading there. */
  readonly steps?: boolean;
  /** The axis starts at zero. */
  readonly zero?: boolean;
  /** A chart beside others is drawn smaller, so that its text keeps the same size. */
  readonly half?: boolean;
}

const size = { full: 960, half: 560, height: 240, left: 66, right: 14, top: 12, bottom: 26 } as const;
/** More points than this are thinned: a screen has no more pixels. */
const pointsMax = 480;
const hourMs = 3_600_000;
/** Series beyond the palette repeat it. */
export const palette = 6;

export const escape = (text: string): string =>
  text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");

/** Steps of 1, 2 or 5 times a power of ten, about `wanted` of them between low and high. */
export function niceTicks(low: number, high: number, wanted: number): number[] {
  const span = high - low;
  if (!(span > 0)) return [low];
  const rough = span / wanted;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * ([1, 2, 5, 10].find((one) => one * power >= rough) ?? 10);
  const ticks: number[] = [];
  for (let value = Math.ceil(low / step) * step; value <= high + step * 1e-9; value += step) ticks.push(value);
  return ticks;
}

/** Hours at which the axis of time carries a label: whole steps of hours or days. */
export function timeTicks(from: number, to: number, wanted: number): number[] {
  const hours = (to - from) / hourMs;
  const step = [0.25, 0.5, 1, 2, 3, 6, 12, 24, 48].find((one) => hours / one <= wanted) ?? 96;
  const ticks: number[] = [];
  for (let t = Math.ceil(from / (step * hourMs)) * step * hourMs; t <= to; t += step * hourMs) ticks.push(t);
  return ticks;
}

/** Labels at the edge lean inwards, so that nothing is cut off. */
function anchorOf(t: number, span: { readonly from: number; readonly to: number }): "start" | "middle" | "end" {
  const share = (t - span.from) / (span.to - span.from);
  return share > 0.97 ? "end" : share < 0.03 ? "start" : "middle";
}

function timeLabel(t: number): string {
  const iso = new Date(t).toISOString();
  return iso.slice(11, 16) === "00:00" ? iso.slice(5, 10) : iso.slice(11, 16);
}

/** Every n-th point with the extremes of what lies between, so that no spike is lost. */
export function thinned(points: Series["points"]): Series["points"] {
  if (points.length <= pointsMax) return points;
  const bucket = Math.ceil(points.length / (pointsMax / 2));
  const kept: (readonly [number, number])[] = [];
  for (let at = 0; at < points.length; at += bucket) {
    const part = points.slice(at, at + bucket);
    const low = part.reduce((least, one) => (one[1] < least[1] ? one : least));
    const high = part.reduce((most, one) => (one[1] > most[1] ? one : most));
    kept.push(...(low[0] <= high[0] ? [low, high] : [high, low]));
  }
  const last = points.at(-1) as readonly [number, number];
  return [...kept, last];
}

interface Scale {
  readonly width: number;
  readonly x: (t: number) => number;
  readonly y: (value: number) => number;
}

function scaleOf(chart: LineChart, low: number, high: number): Scale {
  const width = chart.half === true ? size.half : size.full;
  const plot = width - size.left - size.right;
  const tall = size.height - size.top - size.bottom;
  const span = Math.max(high - low, Number.MIN_VALUE);
  return {
    width,
    x: (t) => size.left + ((t - chart.from) / (chart.to - chart.from)) * plot,
    y: (value) => size.top + (1 - (value - low) / span) * tall,
  };
}

function pathOf(points: Series["points"], scale: Scale, steps: boolean): string {
  const parts: string[] = [];
  for (const [t, value] of thinned(points)) {
    const [x, y] = [scale.x(t).toFixed(1), scale.y(value).toFixed(1)];
    if (parts.length === 0) parts.push(`M${x} ${y}`);
    else parts.push(steps ? `H${x}V${y}` : `L${x} ${y}`);
  }
  return parts.join("");
}

function axes(chart: LineChart, scale: Scale, ticks: readonly number[]): string {
  const bottom = size.height - size.bottom;
  const rows = ticks.map((value) => {
    const y = scale.y(value).toFixed(1);
    return `<line class="grid" x1="${size.left}" x2="${scale.width - size.right}" y1="${y}" y2="${y}"/><text class="tick" x="${size.left - 8}" y="${y}" dy="4" text-anchor="end">${escape(chart.format(value))}</text>`;
  });
  const columns = timeTicks(chart.from, chart.to, chart.half === true ? 7 : 12).map((t) => {
    const x = scale.x(t).toFixed(1);
    return `<line class="mark" x1="${x}" x2="${x}" y1="${bottom}" y2="${bottom + 4}"/><text class="tick" x="${x}" y="${bottom + 18}" text-anchor="${anchorOf(t, chart)}">${timeLabel(t)}</text>`;
  });
  return [
    ...rows,
    ...columns,
    `<line class="axis" x1="${size.left}" x2="${scale.width - size.right}" y1="${bottom}" y2="${bottom}"/>`,
  ].join("");
}

/** What a reader who cannot see the chart is told: where each line starts, its extremes, where it ends. */
function description(chart: LineChart): string {
  return chart.series
    .filter(({ points }) => points.length > 0)
    .map(({ name, points }) => {
      const values = points.map(([, value]) => value);
      const [first, last] = [values[0] as number, values.at(-1) as number];
      return `${name}: from ${chart.format(first)} to ${chart.format(last)}, lowest ${chart.format(Math.min(...values))}, highest ${chart.format(Math.max(...values))}.`;
    })
    .join(" ");
}

export function legend(names: readonly string[]): string {
  const items = names.map(
    (name, at) =>
      `<li><svg viewBox="0 0 26 8" aria-hidden="true"><line class="line s${at % palette}" x1="1" x2="25" y1="4" y2="4"/></svg>${escape(name)}</li>`,
  );
  return `<ul class="legend">${items.join("")}</ul>`;
}

/** A figure with one line per series and a legend where there are several. */
export function lineChart(chart: LineChart): string {
  const values = chart.series.flatMap(({ points }) => points.map(([, value]) => value));
  if (values.length === 0)
    return `<figure><figcaption>${escape(chart.title)}</figcaption><p class="none">Nothing to show.</p></figure>`;
  const lowest = values.reduce((least, one) => Math.min(least, one));
  const highest = values.reduce((most, one) => Math.max(most, one));
  const pad = (highest - lowest || Math.abs(highest) || 1) * 0.06;
  const low = chart.zero === true && lowest >= 0 ? 0 : lowest - pad;
  const scale = scaleOf(chart, low, highest + pad);
  const ticks = niceTicks(low, highest + pad, 5);
  const lines = chart.series.map(
    ({ points }, at) => `<path class="line s${at % palette}" d="${pathOf(points, scale, chart.steps === true)}"/>`,
  );
  return `<figure><figcaption>${escape(chart.title)}</figcaption>${chart.series.length > 1 ? legend(chart.series.map(({ name }) => name)) : ""}<svg class="chart" role="img" viewBox="0 0 ${scale.width} ${size.height}" aria-label="${escape(`${chart.title}. ${description(chart)}`)}">${axes(chart, scale, ticks)}${lines.join("")}</svg></figure>`;
}

export interface TimelineRow {
  readonly name: string;
  readonly spans: readonly {
    readonly from: number;
    readonly to: number;
    readonly level: number;
    readonly label: string;
  }[];
}

/** Bars along time, one row per name; `level` picks the colour. */
export function timeline(title: string, from: number, to: number, rows: readonly TimelineRow[]): string {
  const rowHeight = 22;
  const height = size.top + rows.length * rowHeight + size.bottom;
  const left = 110;
  const plot = size.full - left - size.right;
  const x = (t: number): number => left + ((Math.min(Math.max(t, from), to) - from) / (to - from)) * plot;
  const bars = rows.map((row, at) => {
    const y = size.top + at * rowHeight;
    const spans = row.spans.map(
      (span) =>
        `<rect class="bar l${span.level}" x="${x(span.from).toFixed(1)}" y="${y + 4}" height="${rowHeight - 8}" width="${Math.max(1.5, x(span.to) - x(span.from)).toFixed(1)}"><title>${escape(span.label)}</title></rect>`,
    );
    return `<text class="tick" x="${left - 8}" y="${y + rowHeight / 2}" dy="4" text-anchor="end">${escape(row.name)}</text><line class="grid" x1="${left}" x2="${size.full - size.right}" y1="${y + rowHeight}" y2="${y + rowHeight}"/>${spans.join("")}`;
  });
  const ticks = timeTicks(from, to, 12).map(
    (t) =>
      `<text class="tick" x="${x(t).toFixed(1)}" y="${height - 8}" text-anchor="${anchorOf(t, { from, to })}">${timeLabel(t)}</text>`,
  );
  const told = rows.map((row) => `${row.name}: ${row.spans.length} times`).join("; ");
  return `<figure><figcaption>${escape(title)}</figcaption><svg class="chart" role="img" viewBox="0 0 ${size.full} ${height}" aria-label="${escape(`${title}. ${told}`)}">${bars.join("")}${ticks.join("")}</svg></figure>`;
}

/** Horizontal bars with their names and figures, as a table that reads well without its bars. */
export function barTable(
  title: string,
  heads: readonly string[],
  rows: readonly { readonly cells: readonly string[]; readonly share: number }[],
): string {
  const head = heads
    .map((text, at) => `<th scope="col"${at > 0 ? ' class="number"' : ""}>${escape(text)}</th>`)
    .join("");
  const body = rows.map(({ cells, share }) => {
    const [name = "", ...others] = cells;
    const bar = `<svg class="cellbar" viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true"><rect class="bar l0" width="${(Math.max(0, Math.min(1, share)) * 100).toFixed(1)}" height="8"/></svg>`;
    return `<tr><th scope="row">${escape(name)}</th>${others.map((cell) => `<td class="number">${escape(cell)}</td>`).join("")}<td class="bars">${bar}</td></tr>`;
  });
  return `<div class="scroll"><table><caption>${escape(title)}</caption><thead><tr>${head}<th></th></tr></thead><tbody>${body.join("")}</tbody></table></div>`;
}
