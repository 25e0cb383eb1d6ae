import type { MarginHistoryReply } from "#libs/contracts/api/replies.ts";
import type { MarginData } from "#libs/contracts/stream/account.ts";
import type { Static } from "typebox";
import { useState } from "preact/hooks";
import { drawn } from "../amounts.ts";
import { useAnswer } from "../answers.ts";
import { LineChart } from "../charts/line.tsx";
import { instant, ratio } from "../format.ts";
import { useHistory } from "../history.ts";
import { ratioLines, ratioShownMax } from "../ratio-points.ts";
import { Card } from "./basics.tsx";

type Margins = Static<typeof MarginHistoryReply>;

/** How near an account came to its thresholds: recorded moments as dots, what this page saw as a line. */
export function RatioCard(props: {
  readonly account: string;
  readonly margin: MarginData;
  readonly t: number | null;
  readonly class: string;
}) {
  const { margin, account } = props;
  const [since, setSince] = useState<"opened" | "recorded">("opened");
  const answer = useAnswer<Margins>(`/v1/accounts/${account}/margin`, { limit: 200 });
  const live = useHistory(`ratio.${account}`, props.t, margin.ratio === null ? null : drawn(margin.ratio));
  const recorded = (answer.data?.points ?? []).filter(
    ({ instrument, ratio: one }) => instrument === null && one !== null,
  );
  const opened = live.x[0] ?? 0;
  const lines = ratioLines(since === "recorded" ? recorded : recorded.filter(({ t }) => t >= opened), live);
  const lowest = lowestOf(recorded);
  return (
    <Card
      title="Margin ratio over time"
      class={props.class}
      aside={
        <div class="chips" role="group" aria-label="Since when">
          <button class="small" aria-pressed={since === "opened"} onClick={() => setSince("opened")}>
            since opened
          </button>
          <button
            class="small"
            aria-pressed={since === "recorded"}
            disabled={recorded.length === 0}
            onClick={() => {
              setSince("recorded");
              answer.again();
            }}
          >
            {recorded.length} recorded
          </button>
        </div>
      }
    >
      <LineChart
        label={`Margin ratio of ${account} over time; now ${ratio(margin.ratio)}, ${lowest === null ? "none recorded" : `lowest recorded ${ratio(lowest.ratio)}`}.`}
        x={lines.x}
        series={[
          { name: "live", values: lines.live, line: 1 },
          { name: "recorded at warnings and liquidations", values: lines.recorded, line: 2, dots: true },
        ]}
        height={230}
        show={(value) => (value >= ratioShownMax ? `≥ ${ratioShownMax}` : value.toFixed(2))}
        levels={levelsOf(margin)}
        allLevels
      />
      {lowest === null ? null : (
        <p class="faint">
          Lowest recorded: <b>{ratio(lowest.ratio)}</b> at {instant(lowest.t)} UTC
        </p>
      )}
    </Card>
  );
}

const levelsOf = ({ fullAt, partialAt, warnAt }: MarginData) => [
  { at: drawn(fullAt), name: `full liquidation ${fullAt}`, tone: "bad" as const },
  { at: drawn(partialAt), name: `partial ${partialAt}`, tone: "bad" as const },
  ...warnAt.map((level) => ({ at: drawn(level), name: `warning ${level}`, tone: "warn" as const })),
];

/** The deepest moment that was recorded; compared as drawn, shown as sent. */
function lowestOf(points: Margins["points"]): { readonly t: number; readonly ratio: string } | null {
  let lowest: { t: number; ratio: string } | null = null;
  for (const { t, ratio: one } of points)
    if (one !== null && (lowest === null || drawn(one) < drawn(lowest.ratio))) lowest = { t, ratio: one };
  return lowest;
}
