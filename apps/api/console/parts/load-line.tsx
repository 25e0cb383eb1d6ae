import { compare, drawn } from "../amounts.ts";
import { ratio as shown } from "../format.ts";
import type { Tone } from "../tone.ts";

/** Where liquidation and warnings begin, RULES' defaults; an account's own come with its channel. */
export interface Thresholds {
  readonly full: string;
  readonly partial: string;
  readonly warnings: readonly string[];
}

export const defaultThresholds: Thresholds = { full: "1", partial: "1.05", warnings: ["1.5", "1.25", "1.1"] };

export interface Standing {
  readonly tone: Tone;
  readonly text: string;
}

/** How an account stands by its ratio of equity to maintenance margin. Thresholds count as reached when they are met exactly. */
export function standingOf(
  ratio: string | null,
  { full, partial, warnings }: Thresholds = defaultThresholds,
): Standing {
  if (ratio === null) return { tone: "good", text: "no requirement" };
  if (compare(ratio, full) <= 0) return { tone: "bad", text: "full liquidation" };
  if (compare(ratio, partial) <= 0) return { tone: "bad", text: "partial liquidation" };
  const reached = warnings.filter((level) => compare(ratio, level) <= 0);
  if (reached.length === 0) return { tone: "good", text: "safe" };
  return reached.length === 1 ? { tone: "watch", text: "watched" } : { tone: "warn", text: "close" };
}

const lowest = 0.9;
const highest = 3;
/** Logarithmic, so that the steps near liquidation have room; only to draw with. */
const place = (ratio: number): number =>
  Math.max(0, Math.min(1, Math.log(Math.max(ratio, 0.01) / lowest) / Math.log(highest / lowest))) * 100;

/** The load line: how deep an account lies, with the marks it must not sink below. */
export function LoadLine(props: {
  readonly ratio: string | null;
  readonly thresholds?: Thresholds;
  readonly small?: boolean;
}) {
  const thresholds = props.thresholds ?? defaultThresholds;
  const { tone, text } = standingOf(props.ratio, thresholds);
  const at = props.ratio === null ? 100 : place(drawn(props.ratio));
  const marks = [thresholds.full, thresholds.partial, ...thresholds.warnings];
  return (
    <div
      class={`load-line ${props.small === true ? "small" : ""} ${tone}`}
      role="img"
      aria-label={`Margin ratio ${shown(props.ratio)}: ${text}`}
    >
      <div class="water" style={{ left: `${place(drawn(thresholds.full)).toFixed(2)}%` }} />
      {marks.map((mark, index) => (
        <div
          key={mark}
          class={`load-mark ${index < 2 ? "hard" : ""}`}
          style={{ left: `${place(drawn(mark)).toFixed(2)}%` }}
        >
          {props.small === true ? null : (
            <span class={index === 1 || index === marks.length - 1 ? "between" : ""}>
              {shown(mark).replace(/0$/, "")}
            </span>
          )}
        </div>
      ))}
      <div class="needle" style={{ left: `${at.toFixed(2)}%` }} />
    </div>
  );
}
