import { useState } from "preact/hooks";
import type { FactsReply } from "#libs/contracts/api/replies.ts";
import type { MarginData } from "#libs/contracts/stream/account.ts";
import type { Static } from "typebox";
import { useAnswer } from "../answers.ts";
import { CommandButton } from "../commands/dialog.tsx";
import { scopeText, stateTone, stateWords } from "../exchange-state.ts";
import { percent, ratio, usd, usdCents, words } from "../format.ts";
import { useChannel } from "../live.ts";
import { CollateralTable, OrdersTable, PositionsTable, thresholdsOf } from "../parts/account-tables.tsx";
import { Card, Figure, Figures, Tag } from "../parts/basics.tsx";
import { FactList } from "../parts/fact-list.tsx";
import { Awaiting, Freshness } from "../parts/freshness.tsx";
import { LoadLine, standingOf } from "../parts/load-line.tsx";
import { Problem } from "../parts/problem.tsx";
import { RatioCard } from "../parts/ratio-card.tsx";
import { StressCard } from "../parts/stress.tsx";
import { route } from "../router.ts";
import { hrefOf } from "../routes.ts";
import { mayCommand } from "../session.ts";
import { quotient } from "../amounts.ts";
import { AccountSearch } from "../account-search.tsx";
import { AccountPicker } from "../parts/account-picker.tsx";

export function Account() {
  const { id } = route.value;
  return id === null ? <AccountPicker view="account" /> : <OneAccount id={id} />;
}

function OneAccount({ id }: { readonly id: string }) {
  const seen = useChannel("margin", id).value;
  const positions = useChannel("positions", id).value.data;
  const orders = useChannel("orders", id).value.data;
  const { data } = seen;
  return (
    <>
      <div class="view-head">
        <h1>{id}</h1>
        {data === null ? null : <AccountTags margin={data} />}
        <span class="grow" />
        <Freshness of={seen} />
        <a href={hrefOf("trader", id)}>as its owner sees it</a>
        {mayCommand.value ? <a href={hrefOf("breakers", "account", id)}>halt it</a> : null}
        <span class="narrow">
          <AccountSearch />
        </span>
      </div>
      {data === null ? (
        <Awaiting of={seen} what={`account ${id}`} />
      ) : (
        <>
          <Standing margin={data} />
          <Actions account={id} margin={data} />
          <div class="grid">
            <Card title="Positions" class="flush">
              <PositionsTable positions={positions} margin={data} />
            </Card>
            <StressCard account={id} margin={data} class="half" />
            <RatioCard account={id} margin={data} t={seen.t} class="half" />
            <Card title="Collateral" class="half flush">
              <CollateralTable margin={data} />
            </Card>
            <Card title="Resting orders" class="half flush">
              <OrdersTable orders={orders} />
            </Card>
            <History account={id} />
          </div>
        </>
      )}
    </>
  );
}

/** What can be done about it; there for who may command. */
function Actions({ account, margin }: { readonly account: string; readonly margin: MarginData }) {
  if (!mayCommand.value) return null;
  const [asset = ""] = Object.keys(margin.collateral);
  const [instrument = ""] = Object.keys(margin.positions);
  return (
    <div class="actions" role="group" aria-label={`Commands about ${account}`}>
      <CommandButton name="adjust" given={{ account, asset }}>
        Adjust cash …
      </CommandButton>
      <CommandButton name="transfer" given={{ from: account, asset }}>
        Transfer …
      </CommandButton>
      {instrument === "" ? null : (
        <CommandButton name="deleverage" given={{ account, instrument }}>
          Deleverage …
        </CommandButton>
      )}
      <CommandButton name="limit" given={{ level: "account", of: account, limit: "maxNotionalUsd" }}>
        Limit for a time …
      </CommandButton>
      <CommandButton name="entity" given={{ accounts: account }}>
        Put into an entity …
      </CommandButton>
    </div>
  );
}

function AccountTags({ margin }: { readonly margin: MarginData }) {
  return (
    <span class="row">
      {margin.state === "liquidating" ? <Tag tone="bad">liquidating</Tag> : null}
      {margin.warned === null ? null : <Tag tone="watch">warned at {margin.warned}</Tag>}
      {Object.entries(margin.halts).map(([key, halt]) => (
        <Tag key={key} tone={stateTone[halt.state]}>
          {scopeText(halt)}: {stateWords[halt.state]}
        </Tag>
      ))}
    </span>
  );
}

/** How deep the account lies, and by what numbers. */
export function Standing({ margin }: { readonly margin: MarginData }) {
  const thresholds = thresholdsOf(margin);
  const { tone, text } = standingOf(margin.ratio, thresholds);
  const use = quotient(margin.im, margin.initialEquity === "0" ? "1" : margin.initialEquity);
  return (
    <Card title="Load line" aside={<Tag tone={tone}>{text}</Tag>}>
      <LoadLine ratio={margin.ratio} thresholds={thresholds} />
      <Figures class="big">
        <Figure
          name="Margin ratio"
          value={ratio(margin.ratio)}
          note={`full liquidation at ${margin.fullAt}`}
          tone={tone}
        />
        <Figure name="Equity" value={usd(margin.equity)} note={usdCents(margin.equity)} />
        <Figure name="Maintenance margin" value={usd(margin.mm)} note={usdCents(margin.mm)} />
        <Figure name="Initial margin" value={usd(margin.im)} note={`${usd(margin.orderIm)} of it for orders`} />
        <Figure
          name="Free"
          value={usd(margin.free)}
          note={`${percent(use, 0)} of initial equity in use`}
          tone={margin.free.startsWith("-") ? "bad" : "plain"}
        />
      </Figures>
    </Card>
  );
}

const kinds = ["all", "liquidations", "adl", "warnings", "orders", "cash"] as const;

function History({ account }: { readonly account: string }) {
  const [kind, setKind] = useState<(typeof kinds)[number]>("all");
  const answer = useAnswer<Static<typeof FactsReply>>(`/v1/accounts/${account}/history`, { kind, limit: 50 });
  const choice = (
    <>
      <div class="chips" role="group" aria-label="Kind of facts">
        {kinds.map((one) => (
          <button key={one} class="small" aria-pressed={kind === one} onClick={() => setKind(one)}>
            {words(one)}
          </button>
        ))}
      </div>
      <button class="small" onClick={answer.again}>
        Ask again
      </button>
    </>
  );
  return (
    <Card title="History and receipts" aside={choice}>
      <Problem of={answer.problem} />
      {answer.data === null ? null : (
        <FactList facts={answer.data.facts} account={account} none="Nothing of this kind has happened to it." />
      )}
    </Card>
  );
}
