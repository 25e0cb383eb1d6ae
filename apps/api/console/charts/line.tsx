import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";
import { clock } from "../format.ts";
import { theme } from "../theme.ts";

/** Points of one line; `null` is a hole, `undefined` a moment that is not its own. Floats: these are drawn, never shown as text. */
export interface Series {
  readonly name: string;
  readonly values: readonly (number | null | undefined)[];
  /** The colour of that number of the style's lines, 1 to 4. */
  readonly line: 1 | 2 | 3 | 4;
  readonly steps?: boolean;
  readonly filled?: boolean;
  /** Single points that no line joins: what was between them is not known. */
  readonly dots?: boolean;
}

export interface LineChartProps {
  /** What it shows and how it went, for those who do not see it. */
  readonly label: string;
  /** UTC ms, or any other number that rises. */
  readonly x: readonly number[];
  readonly xIsTime?: boolean;
  readonly series: readonly Series[];
  readonly height: number;
  /** How a value is written on the axis and the legend. */
  readonly show: (value: number) => string;
  /** Lines to compare with, across the whole width. */
  /** All levels are in sight, however far they are. */
  readonly allLevels?: boolean;
  readonly levels?: readonly { readonly at: number; readonly name: string; readonly tone: "warn" | "bad" | "good" }[];
}

const colour = (name: string): string =>
  getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

/** Until there are two points nothing can be drawn, and it says so. */
export function LineChart(props: LineChartProps) {
  if (props.x.length < 2) return <p class="nothing">Collecting the first points …</p>;
  return <DrawnChart {...props} />;
}

/** A chart of lines that is made for data that keeps coming: new points are handed over, nothing is built again. */
function DrawnChart(props: LineChartProps) {
  const place = useRef<HTMLDivElement>(null);
  const chart = useRef<uPlot | null>(null);
  const latest = useRef(props);
  latest.current = props;
  const shape = `${theme.value} ${props.series.map(({ name }) => name).join()}`;
  useEffect(() => {
    const element = place.current;
    if (element === null) return undefined;
    const made = new uPlot(optionsOf(latest, element.clientWidth), dataOf(latest.current), element);
    chart.current = made;
    const watch = new ResizeObserver(() => made.setSize({ width: element.clientWidth, height: latest.current.height }));
    watch.observe(element);
    return () => {
      watch.disconnect();
      made.destroy();
      chart.current = null;
    };
  }, [shape]);
  useEffect(() => chart.current?.setData(dataOf(props)), [props.x, props.series]);
  return (
    <div
      class="line-chart"
      role="img"
      aria-label={props.label}
      ref={place}
      style={{ minHeight: `${props.height}px` }}
    />
  );
}

const dataOf = ({ x, xIsTime, series }: LineChartProps): uPlot.AlignedData => [
  xIsTime === false ? [...x] : x.map((t) => t / 1_000),
  ...series.map(({ values }) => [...values]),
];

function optionsOf(latest: { readonly current: LineChartProps }, width: number): uPlot.Options {
  const { height, series, xIsTime } = latest.current;
  const axis = {
    stroke: colour("faint"),
    grid: { stroke: colour("rule"), width: 1 },
    ticks: { show: false },
    font: "11px sans-serif",
  };
  const show = (value: number | null): string => (value === null ? "–" : latest.current.show(value));
  return {
    width,
    height,
    padding: [8, 12, 0, 0],
    tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1_000), "Etc/UTC"),
    scales: { x: { time: xIsTime !== false }, y: { range: (_chart, low, high) => rangeOf(latest.current, low, high) } },
    cursor: { points: { size: 6 }, drag: { x: false, y: false } },
    legend: { live: true, show: series.length > 1 },
    axes: [
      {
        ...axis,
        size: 28,
        space: 76,
        ...(xIsTime === false ? {} : { values: (_chart, at) => at.map((seconds) => clock(seconds * 1_000)) }),
      },
      { ...axis, size: 58, values: (_chart, values) => values.map(show) },
    ],
    series: [
      {},
      ...series.map((one) => ({
        label: one.name,
        stroke: colour(`line-${one.line}`),
        width: 1.6,
        points: one.dots === true ? { show: true, size: 7, fill: colour(`line-${one.line}`) } : { show: false },
        value: (_chart: uPlot, value: number | null) => show(value),
        ...(one.filled === true ? { fill: `${colour(`line-${one.line}`)}22` } : {}),
        ...(one.dots === true ? { paths: () => null } : {}),
        ...(one.steps === true && uPlot.paths.stepped ? { paths: uPlot.paths.stepped({ align: 1 }) } : {}),
      })),
    ],
    hooks: { draw: [(drawn) => drawLevels(drawn, latest.current)] },
  };
}

/** Room above and below, with the levels in sight where they are near. */
const flatShare = 0.01;
function rangeOf(
  { levels = [], allLevels }: Pick<LineChartProps, "levels" | "allLevels">,
  low: number | null,
  high: number | null,
): uPlot.Range.MinMax {
  if (low === null || high === null) {
    const known = allLevels === true ? levels.map(({ at }) => at) : [];
    return known.length === 0 ? [0, 1] : rangeOf({ levels }, Math.min(...known), Math.max(...known));
  }
  // A line that does not move is not made to look as if it did.
  const span = high - low || Math.abs(high) * flatShare || 1;
  const near = levels.map(({ at }) => at).filter((at) => allLevels === true || (at > low - span && at < high + span));
  const bottom = Math.min(low, ...near);
  const top = Math.max(high, ...near);
  const room = (top - bottom || span) * 0.08;
  return [bottom - room, top + room];
}

/** From the highest; a name that would stand on another's stands beside it. */
function drawLevels(chart: uPlot, { levels = [] }: LineChartProps): void {
  const { ctx, bbox } = chart;
  const gap = 4 * devicePixelRatio;
  const line = 13 * devicePixelRatio;
  let written = { y: Number.NEGATIVE_INFINITY, end: bbox.left };
  ctx.save();
  ctx.font = `${11 * devicePixelRatio}px sans-serif`;
  ctx.textAlign = "left";
  ctx.textBaseline = "alphabetic";
  for (const { at, name, tone } of [...levels].sort((a, b) => b.at - a.at)) {
    const y = chart.valToPos(at, "y", true);
    if (y < bbox.top || y > bbox.top + bbox.height) continue;
    ctx.strokeStyle = colour(tone);
    ctx.fillStyle = colour(tone);
    ctx.lineWidth = devicePixelRatio;
    ctx.setLineDash([5 * devicePixelRatio, 4 * devicePixelRatio]);
    ctx.beginPath();
    ctx.moveTo(bbox.left, y);
    ctx.lineTo(bbox.left + bbox.width, y);
    ctx.stroke();
    // Its letters stand clear of the lines behind them.
    ctx.setLineDash([]);
    ctx.strokeStyle = colour("paper");
    ctx.lineWidth = gap;
    const beside = y - written.y < line;
    const x = (beside ? written.end + 2 * gap : bbox.left) + gap;
    const textY = beside ? written.y : y;
    ctx.strokeText(name, x, textY - gap);
    ctx.fillText(name, x, textY - gap);
    written = { y: textY, end: x + ctx.measureText(name).width };
  }
  ctx.restore();
}
