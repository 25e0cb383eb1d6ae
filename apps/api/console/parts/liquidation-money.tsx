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
  const sums = moneyOf(facts);
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
              value={whole(sums.closes)}
              note={`steps, ${whole(sums.deleveraged)} by ADL`}
            />
            <Figure
              name="Realised so far"
              value={fixed(sums.realised, 2)}
              note="settle asset"
              tone={sums.realised.startsWith("-") ? "bad" : "plain"}
            />
            <Figure name="Paid by the fund" value={fixed(sums.fund, 2)} tone={isZero(sums.fund) ? "plain" : "warn"} />
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
              note={`${whole(sums.closes)} closes, ${whole(sums.deleveraged)} by ADL`}
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

const ByAsset = ({ money }: { readonly money: readonly SagaMoney[] }) => (
  <Table
    caption="Money of this liquidation, by asset"
    columns={[
      { name: "Asset", cell: ({ asset }) => asset },
      { name: "Closed on book", number: true, cell: ({ closedNotional }) => amountCell(closedNotional) },
      { name: "By ADL", number: true, cell: ({ deleveragedNotional }) => amountCell(deleveragedNotional) },
      { name: "Realised", number: true, cell: ({ realised }) => amountCell(realised) },
      { name: "Taker fee", number: true, cell: ({ takerFee }) => amountCell(takerFee), wide: true },
      { name: "Liquidation fee", number: true, cell: ({ liquidationFee }) => amountCell(liquidationFee), wide: true },
      { name: "Fund paid", number: true, cell: ({ fundPaid }) => amountCell(fundPaid) },
      { name: "Shared", number: true, cell: ({ lossShared }) => amountCell(lossShared), wide: true },
      { name: "Parked", number: true, cell: ({ debtParked }) => amountCell(debtParked), wide: true },
    ]}
    rows={money}
    keyOf={({ asset }) => asset}
    none=""
  />
);
