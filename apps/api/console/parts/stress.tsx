import { useEffect, useRef, useState } from "preact/hooks";
import type { MarginData } from "#libs/contracts/stream/account.ts";
import { add, quotient } from "../amounts.ts";
import { percent, ratio, signed, usd, whole } from "../format.ts";
import { useChannel } from "../live.ts";
import { type ApiProblem, asProblem, post } from "../rest.ts";
import { Card, Figure, Figures, Nothing, Tag } from "./basics.tsx";
import { LoadLine, standingOf } from "./load-line.tsx";
import { thresholdsOf } from "./account-tables.tsx";
import { Problem } from "./problem.tsx";
import { moved, type Prices } from "../stressed-prices.ts";

interface Summary {
  readonly equity: string;
  readonly mm: string;
  readonly ratio: string | null;
  readonly free: string;
}
interface WhatIf {
  readonly codes: readonly string[];
  readonly before: Summary | null;
  readonly after: Summary | null;
}

const quietMs = 120;
const presets = [-50, -30, -20, -12, -5, 5, 20] as const;

/** "What if BTC −12 %": asked of the engine itself, on the book as it stands. */
export function StressCard(props: { readonly account: string; readonly margin: MarginData; readonly class: string }) {
  const marks = useChannel("marks").value.data;
  const [asset, setAsset] = useState<string | null>(null);
  const [move, setMove] = useState(-12);
  const assets = Object.keys(marks?.indices ?? {}).filter((id) => marks?.indices[id]?.price !== null);
  const chosen = asset ?? firstOf(props.margin, marks?.marks ?? {}) ?? assets[0] ?? null;
  const share = quotient(String(move), "100") ?? "0";
  const prices = marks === null || chosen === null ? null : moved(marks, chosen, share);
  const { answer, problem, logSeq } = useWhatIf(props.account, prices, `${chosen ?? ""} ${move}`);
  return (
    <Card title="Stress" class={props.class} aside={logSeq === null ? null : `computed at log #${whole(logSeq)}`}>
      <div class="row">
        <label class="inline">
          What if
          <select value={chosen ?? ""} onChange={({ currentTarget }) => setAsset(currentTarget.value)}>
            {assets.map((id) => (
              <option key={id} value={id}>
                {id}
              </option>
            ))}
          </select>
        </label>
        <output class="move">{signed(percent(share, 0))}</output>
        <div class="chips" role="group" aria-label="Moves">
          {presets.map((preset) => (
            <button key={preset} class="small" aria-pressed={move === preset} onClick={() => setMove(preset)}>
              {signed(percent(quotient(String(preset), "100"), 0))}
            </button>
          ))}
        </div>
      </div>
      <input
        type="range"
        min={-80}
        max={80}
        step={1}
        value={move}
        aria-label={`Move of ${chosen ?? "the price"}, per cent`}
        aria-valuetext={`${move} per cent`}
        onInput={({ currentTarget }) => setMove(currentTarget.valueAsNumber)}
      />
      <Problem of={problem} />
      {answer?.after ? (
        <Outcome before={answer.before} after={answer.after} margin={props.margin} />
      ) : (
        <Refused codes={answer?.codes ?? null} />
      )}
    </Card>
  );
}

/** The index that the account's first position follows. */
function firstOf(margin: MarginData, marks: Readonly<Record<string, { readonly index: string }>>): string | null {
  const [first] = Object.keys(margin.positions);
  return first === undefined ? null : (marks[first]?.index ?? null);
}

const Refused = ({ codes }: { readonly codes: readonly string[] | null }) => (
  <Nothing>{codes === null ? "Asking the engine …" : `No answer: ${codes.join(", ")}.`}</Nothing>
);

function Outcome(props: { readonly before: Summary | null; readonly after: Summary; readonly margin: MarginData }) {
  const { before, after } = props;
  const thresholds = thresholdsOf(props.margin);
  const { tone, text } = standingOf(after.ratio, thresholds);
  const lost =
    before === null
      ? null
      : add(after.equity, before.equity.startsWith("-") ? before.equity.slice(1) : `-${before.equity}`);
  return (
    <>
      <LoadLine ratio={after.ratio} thresholds={thresholds} />
      <Figures>
        <Figure name="Ratio then" value={ratio(after.ratio)} note={`now ${ratio(before?.ratio ?? null)}`} tone={tone} />
        <Figure
          name="Equity then"
          value={usd(after.equity)}
          note={`${signed(usd(lost))} from ${usd(before?.equity)}`}
        />
        <Figure name="Maintenance then" value={usd(after.mm)} note={`now ${usd(before?.mm)}`} />
        <Figure name="Free then" value={usd(after.free)} note={<Tag tone={tone}>{text}</Tag>} />
      </Figures>
    </>
  );
}

/** Asks once the slider has rested for a moment; of several answers that of the last question counts. */
function useWhatIf(account: string, prices: Prices | null, key: string) {
  const [state, setState] = useState<{
    readonly answer: WhatIf | null;
    readonly problem: ApiProblem | null;
    readonly logSeq: number | null;
  }>({
    answer: null,
    problem: null,
    logSeq: null,
  });
  const latest = useRef(prices);
  latest.current = prices;
  const ready = prices !== null;
  useEffect(() => {
    if (!ready) return undefined;
    let mine = true;
    const timer = setTimeout(() => {
      post<WhatIf & { readonly appliedSeq?: number; readonly logSeq?: number }>(
        `/v1/accounts/${account}/what-if`,
        latest.current ?? {},
      ).then(
        (answer) => mine && setState({ answer, problem: null, logSeq: answer.logSeq ?? answer.appliedSeq ?? null }),
        (thrown: unknown) => mine && setState((before) => ({ ...before, problem: asProblem(thrown) })),
      );
    }, quietMs);
    return () => {
      mine = false;
      clearTimeout(timer);
    };
  }, [account, key, ready]);
  return state;
}
