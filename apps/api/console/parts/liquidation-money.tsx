import type { SagaMoney, SagaOutcome } from "#libs/contracts/api/replies.ts";
import { isZero } from "../amounts.ts";
import type { FactLike } from "../fact-texts.ts";
import { cutTo, duration, fixed, ratio, usdCents, whole } from "../format.ts";
import { moneyOf } from "../saga-money.ts";
import { outcomeMeaning, outcomeTone, stageText, stageTone } from "../saga-text.ts";
import { Figure, Figures } from "./basics.tsx";
import { Table } from "./table.tsx";

/** What a liquidation came to: where it ended in its outcome and money by asset, where it runs as far as it is. */
export function LiquidationMoney(props: {
  readonly facts: readonly FactLike[];
  readonly startedAt: number | null;
  readonly outcome: SagaOutcome | null;
}) {
  const { facts, outcome, startedAt } = props;
  const done = moneyOf(facts);
  const start = facts.find(({ fact }) => fact === "liquidation.started");
  const began = typeof start?.["ratio"] === "string" ? start["ratio"] : null;
  return (
    <>
      <Figures>
        <Figure name="Ratio at the start" value={start === undefined ? "–" : ratio(began)} />
        {outcome === null ? (
          <>
            <Figure
              name="Closed on book"
              value={whole(done.closes)}
              note={`steps, ${whole(done.deleveraged)} by ADL`}
            />
            <Figure
              name="Realised so far"
              value={fixed(done.realised, 2)}
              note="settle asset"
              tone={done.realised.startsWith("-") ? "bad" : "plain"}
            />
            <Figure name="Paid by the fund" value={fixed(done.fund, 2)} tone={isZero(done.fund) ? "plain" : "warn"} />
          </>
        ) : (
          <>
            <Figure
              name="Outcome"
              value={outcome.outcome}
              note={outcomeMeaning[outcome.outcome]}
              tone={outcomeTone[outcome.outcome]}
            />
            <Figure name="Last stage" value={stageText(outcome.stage)} tone={stageTone(outcome.stage)} />
            <Figure
              name="Took"
              value={startedAt === null ? "–" : duration(Math.max(0, outcome.endedAt - startedAt))}
              note={`${whole(done.closes)} closed on book, ${whole(done.deleveraged)} by ADL`}
            />
            <Figure
              name="Paid by the fund"
              value={usdCents(outcome.fundUsd)}
              note="at the index of each payment"
              tone={isZero(outcome.fundUsd) ? "plain" : "warn"}
            />
          </>
        )}
      </Figures>
      {outcome === null || outcome.money.length === 0 ? null : <ByAsset money={outcome.money} />}
    </>
  );
}

const placesShown = 8;
const amountCell = (amount: string) => (
  <span class={amount.startsWith("-") ? "loss" : isZero(amount) ? "faint" : ""}>
    {isZero(amount) ? "–" : cutTo(amount, placesShown)}
  </span>
);

const sums = [
  ["Closed on book", "closedNotional"],
  ["By ADL", "deleveragedNotional"],
  ["Realised", "realised"],
  ["Taker fee", "takerFee"],
  ["Liquidation fee", "liquidationFee"],
  ["Fund paid", "fundPaid"],
  ["Shared by others", "lossShared"],
  ["Parked as debt", "debtParked"],
] as const;

/** Columns of what there was nothing of are left out. */
const ByAsset = ({ money }: { readonly money: readonly SagaMoney[] }) => (
  <Table
    caption="Money of this liquidation, by asset"
    columns={[
      { name: "Asset", cell: ({ asset }) => asset },
      ...sums
        .filter(([, sum]) => money.some((row) => !isZero(row[sum])))
        .map(([name, sum]) => ({ name, number: true, cell: (row: SagaMoney) => amountCell(row[sum]) })),
    ]}
    rows={money}
    keyOf={({ asset }) => asset}
    none=""
  />
);
