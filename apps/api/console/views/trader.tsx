import type { AccountEvent, MarginData } from "#libs/contracts/stream/account.ts";
import type { FactLike } from "../fact-texts.ts";
import { price, ratio, usdCents } from "../format.ts";
import { useChannel } from "../live.ts";
import { scopeText, stateMeaning, stateTone, stateWords } from "../exchange-state.ts";
import { AccountPicker } from "../parts/account-picker.tsx";
import { CollateralTable, OrdersTable, PositionsTable, thresholdsOf } from "../parts/account-tables.tsx";
import { Card, Figure, Figures, Nothing, Tag } from "../parts/basics.tsx";
import { FactList } from "../parts/fact-list.tsx";
import { Awaiting, Freshness } from "../parts/freshness.tsx";
import { LoadLine, standingOf } from "../parts/load-line.tsx";
import { StressCard } from "../parts/stress.tsx";
import { percentText, sideOf } from "../risk-texts.ts";
import { route } from "../router.ts";
import { hrefOf } from "../routes.ts";
import { mayRead } from "../session.ts";
import { drawn } from "../amounts.ts";
import { stageNames } from "../liquidation-stages.ts";

/** One account as its owner sees it: nothing here that a trader may not read. */
export function Trader() {
  const { id } = route.value;
  return id === null ? <AccountPicker view="trader" /> : <Own id={id} />;
}

function Own({ id }: { readonly id: string }) {
  const seen = useChannel("margin", id).value;
  const positions = useChannel("positions", id).value.data;
  const orders = useChannel("orders", id).value.data;
  const liquidations = useChannel("liquidations", id).value.data;
  const adl = useChannel("adl", id).value.data;
  const { data } = seen;
  const events = [
    ...(data?.events ?? []),
    ...(liquidations?.events ?? []),
    ...(adl?.events ?? []),
  ] as readonly AccountEvent[];
  return (
    <>
      <div class="view-head">
        <h1>{id}</h1>
        <span class="grow" />
        <Freshness of={seen} />
        {mayRead.value ? (
          <a href={hrefOf("account", id)}>as operators see it</a>
        ) : (
          <a href={hrefOf("trader")}>all my accounts</a>
        )}
      </div>
      {data === null ? (
        <Awaiting of={seen} what={`account ${id}`} />
      ) : (
        <>
          <Running liquidations={liquidations?.liquidations ?? {}} />
          <Halted margin={data} />
          <Standing margin={data} />
          <Distances margin={data} />
          <div class="grid">
            <Card title="Positions" class="flush">
              <PositionsTable positions={positions} margin={data} />
            </Card>
            <StressCard account={id} margin={data} class="half" />
            <Card title="Warnings, liquidations, deleveraging" class="half">
              <FactList facts={newestFirst(events)} account={id} none="None so far." />
            </Card>
            <Card title="Collateral" class="half flush">
              <CollateralTable margin={data} />
            </Card>
            <Card title="Resting orders" class="half flush">
              <OrdersTable orders={orders} />
            </Card>
          </div>
        </>
      )}
    </>
  );
}

function newestFirst(events: readonly AccountEvent[]): readonly FactLike[] {
  const bySeq = new Map(events.map((event) => [event.seq, event as unknown as FactLike]));
  return [...bySeq.values()].sort((a, b) => b.seq - a.seq);
}

function Running({
  liquidations,
}: {
  readonly liquidations: Readonly<Record<string, { readonly instrument: string | null; readonly stage: number }>>;
}) {
  return (
    <>
      {Object.entries(liquidations).map(([saga, { instrument, stage }]) => (
        <div key={saga} class="refusal" role="alert">
          <strong>
            {instrument ?? "Your cross positions"}: being liquidated, stage {stage} ({stageNames[stage]})
          </strong>
          <span>New orders are refused until it has ended. The receipt comes with its end.</span>
        </div>
      ))}
    </>
  );
}

function Halted({ margin }: { readonly margin: MarginData }) {
  return (
    <>
      {Object.entries(margin.halts).map(([key, halt]) => (
        <p key={key} class="row">
          <Tag tone={stateTone[halt.state]}>
            {scopeText(halt)}: {stateWords[halt.state]}
          </Tag>
          {stateMeaning[halt.state]}
        </p>
      ))}
    </>
  );
}

function Standing({ margin }: { readonly margin: MarginData }) {
  const thresholds = thresholdsOf(margin);
  const { tone, text } = standingOf(margin.ratio, thresholds);
  return (
    <Card title="How deep you are loaded" aside={<Tag tone={tone}>{text}</Tag>}>
      <LoadLine ratio={margin.ratio} thresholds={thresholds} />
      <Figures class="big">
        <Figure
          name="Margin ratio"
          value={ratio(margin.ratio)}
          note={`liquidation begins at ${margin.partialAt}`}
          tone={tone}
        />
        <Figure name="Equity" value={usdCents(margin.equity)} note="after haircuts" />
        <Figure name="Needed to keep it" value={usdCents(margin.mm)} note="maintenance margin" />
        <Figure
          name="Free for new risk"
          value={usdCents(margin.free)}
          tone={margin.free.startsWith("-") ? "bad" : "plain"}
        />
      </Figures>
    </Card>
  );
}

/** In words, position by position: how far it is to liquidation, and where in the queue of deleveraging it stands. */
function Distances({ margin }: { readonly margin: MarginData }) {
  const rows = Object.entries(margin.positions);
  if (rows.length === 0) return <Nothing>You hold no position.</Nothing>;
  return (
    <ul class="distances">
      {rows.map(([instrument, position]) => {
        const near = position.distancePercent === null ? null : Math.abs(drawn(position.distancePercent));
        const tone = near === null ? "good" : near < 2 ? "bad" : near < 5 ? "warn" : near < 10 ? "watch" : "good";
        return (
          <li key={instrument} class={`distance ${tone}`}>
            <h3>
              {instrument}, {sideOf(position.qty)}
            </h3>
            {position.liqPrice === null ? (
              <p>No price of its own liquidates it.</p>
            ) : (
              <>
                <strong>{percentText(position.distancePercent)}</strong>
                <p>
                  to liquidation at {price(position.liqPrice)}, from {price(position.mark)}
                </p>
              </>
            )}
            {position.adl === null ? null : (
              <p class="faint">
                Deleveraging: place {position.adl.rank}, in fifth {position.adl.quintile} of 5
              </p>
            )}
          </li>
        );
      })}
    </ul>
  );
}
