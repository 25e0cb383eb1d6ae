import type { InstrumentData, SideData } from "#libs/contracts/stream/operators.ts";
import { drawn, quotient } from "../amounts.ts";
import { LineChart } from "../charts/line.tsx";
import { CommandButton } from "../commands/dialog.tsx";
import { exact, instant, percent, price, ratio, short, signed, usd, whole } from "../format.ts";
import { useHistory } from "../history.ts";
import { type Seen, useChannel } from "../live.ts";
import { AdlLights } from "../parts/adl-lights.tsx";
import { Card, Figure, Figures, Meter, Tag } from "../parts/basics.tsx";
import { Awaiting, Freshness } from "../parts/freshness.tsx";
import { Table } from "../parts/table.tsx";
import { qualityTone } from "../qualities.ts";
import { goTo, route } from "../router.ts";
import { hrefOf } from "../routes.ts";
import { mayCommand } from "../session.ts";

export function Instrument() {
  const marks = useChannel("marks").value.data;
  const ids = Object.keys(marks?.marks ?? {}).sort();
  const id = route.value.id ?? ids[0] ?? null;
  const seen = useChannel("instrument", id).value;
  return (
    <>
      <div class="view-head">
        <h1>{id ?? "Instrument"}</h1>
        <form onSubmit={(event) => event.preventDefault()}>
          <select
            aria-label="Instrument"
            value={id ?? ""}
            onChange={({ currentTarget }) => goTo(hrefOf("instrument", currentTarget.value))}
          >
            {ids.map((one) => (
              <option key={one} value={one}>
                {one}
              </option>
            ))}
          </select>
        </form>
        <span class="grow" />
        <Freshness of={seen} />
        {mayCommand.value && id !== null ? <a href={hrefOf("breakers", "instrument", id)}>halt it</a> : null}
      </div>
      {seen.data === null ? <Awaiting of={seen} what="the instrument" /> : <Parts data={seen.data} seen={seen} />}
    </>
  );
}

function Parts({ data, seen }: { readonly data: InstrumentData; readonly seen: Seen<InstrumentData> }) {
  const points = useHistory(`mark.${data.instrument}`, seen.t, data.price === null ? null : drawn(data.price));
  return (
    <>
      <Now data={data} />
      <Actions instrument={data.instrument} />
      <div class="grid">
        <Card title="Mark since this page was opened" class="half">
          <LineChart
            label={`Mark of ${data.instrument} since this page was opened; now ${price(data.price)}.`}
            x={points.x}
            series={[{ name: "mark", values: points.y, line: 1, filled: true }]}
            height={330}
            show={(value) => value.toPrecision(6)}
          />
        </Card>
        <Concentration data={data} />
        <Queue name="Long" side={data.long} />
        <Queue name="Short" side={data.short} />
      </div>
    </>
  );
}

/** What can be done about it; there for who may command. */
function Actions({ instrument }: { readonly instrument: string }) {
  if (!mayCommand.value) return null;
  return (
    <div class="actions" role="group" aria-label={`Commands about ${instrument}`}>
      <CommandButton name="limit" given={{ level: "instrument", of: instrument, limit: "maxOpenInterest" }}>
        Limit for a time …
      </CommandButton>
      <CommandButton name="deleverage" given={{ instrument }}>
        Deleverage …
      </CommandButton>
      <CommandButton name="settle" given={{ instrument }}>
        Settle for good …
      </CommandButton>
    </div>
  );
}

function Now({ data }: { readonly data: InstrumentData }) {
  const { funding } = data;
  const used = data.maxOpenInterest === null ? null : quotient(data.openInterest, data.maxOpenInterest);
  return (
    <Card title="Now">
      <Figures class="big">
        <Figure
          name="Mark"
          value={price(data.price)}
          note={<Tag tone={qualityTone[data.quality]}>{data.quality}</Tag>}
        />
        <Figure name="Open interest" value={short(data.openInterest)} note={usd(data.openInterestUsd)} />
        <Figure
          name="Of the most allowed"
          value={used === null ? "no limit" : percent(used, 1)}
          note={used === null ? "" : `${short(data.maxOpenInterest)} contracts`}
          tone={used !== null && drawn(used) > 0.75 ? "warn" : "plain"}
        />
        <Figure name="Depth within 2 %" value={short(data.depth)} note="contracts, thinner side" />
        <Figure
          name="Last funding"
          value={funding.last === null ? "–" : signed(percent(funding.last.rate, 4))}
          note={funding.nextAt === null ? "expires instead" : `next ${instant(funding.nextAt)} UTC`}
        />
        <Figure
          name="Resting orders"
          value={whole(data.orders)}
          note={`${data.long.holders} long, ${data.short.holders} short`}
        />
      </Figures>
    </Card>
  );
}

/** Who holds how much of each side. */
function Concentration({ data }: { readonly data: InstrumentData }) {
  return (
    <Card title="Concentration" class="half">
      <div class="two">
        {(["long", "short"] as const).map((name) => (
          <div key={name} class="stack">
            <h3>{name === "long" ? "Long" : "Short"}</h3>
            <Figures>
              <Figure name="Largest" value={percent(data[name].largest, 1)} />
              <Figure name="Largest five" value={percent(data[name].largestFive, 1)} />
            </Figures>
            <ol class="bars">
              {data[name].top.slice(0, 8).map(({ account, qty, share }) => (
                <li key={account}>
                  <a href={hrefOf("account", account)}>{account}</a>
                  <span class="faint">
                    {short(qty)} · {percent(share, 1)}
                  </span>
                  <Meter
                    name={`${account}'s share`}
                    share={drawn(share)}
                    text={percent(share, 1)}
                    tone={name === "long" ? "good" : "bad"}
                  />
                </li>
              ))}
            </ol>
          </div>
        ))}
      </div>
    </Card>
  );
}

/** The order in which a side is deleveraged. */
function Queue({ name, side }: { readonly name: "Long" | "Short"; readonly side: SideData }) {
  return (
    <Card
      title={`ADL queue, ${name.toLowerCase()}`}
      class="half flush"
      aside={`${whole(side.adl.length)} shown, first to go first`}
    >
      <Table
        caption={`ADL queue of the ${name.toLowerCase()} side`}
        columns={[
          { name: "Rank", cell: ({ rank }) => whole(rank) },
          { name: "Account", cell: ({ account }) => <a href={hrefOf("account", account)}>{account}</a> },
          { name: "Lights", cell: ({ quintile }) => <AdlLights quintile={quintile} /> },
          { name: "Contracts", number: true, cell: ({ qty }) => exact(qty) },
          { name: "Ahead", number: true, cell: ({ ahead }) => exact(ahead), wide: true },
          { name: "Score", number: true, cell: ({ score }) => ratio(score), wide: true },
        ]}
        rows={side.adl}
        keyOf={({ account, mode }) => `${account} ${mode}`}
        none={`Nobody is ${name.toLowerCase()}.`}
        tall
      />
    </Card>
  );
}
