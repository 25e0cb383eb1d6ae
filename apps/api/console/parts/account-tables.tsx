import type { MarginData, OrdersData, PositionsData } from "#libs/contracts/stream/account.ts";
import { compare } from "../amounts.ts";
import { cutTo, exact, fixed, percent, price, ratio, short, signed, usdCents } from "../format.ts";
import { gainClass, percentText, sizeText } from "../risk-texts.ts";
import { hrefOf } from "../routes.ts";
import { mayRead } from "../session.ts";
import { AdlLights } from "./adl-lights.tsx";
import { Tag } from "./basics.tsx";
import { type Column, Table } from "./table.tsx";

type Position = PositionsData["positions"][string] & {
  readonly id: string;
  readonly risk: MarginData["positions"][string] | undefined;
};

const positionColumns = (): readonly Column<Position>[] => [
  {
    name: "Instrument",
    cell: ({ id, mode }) => (
      <>
        {mayRead.value ? <a href={hrefOf("instrument", id)}>{id}</a> : id}{" "}
        {mode === "isolated" ? <Tag>isolated</Tag> : null}
      </>
    ),
  },
  { name: "Position", number: true, cell: ({ qty }) => <b>{sizeText(qty)}</b> },
  { name: "Entry", number: true, cell: ({ entry }) => price(entry), wide: true },
  { name: "Mark", number: true, cell: ({ mark }) => price(mark) },
  {
    name: "Unrealised",
    number: true,
    cell: ({ upnl }) => <span class={gainClass(upnl)}>{signed(fixed(upnl, 2))}</span>,
    order: (a, b) => compare(a.upnl, b.upnl),
  },
  {
    name: "Notional",
    number: true,
    cell: ({ notional }) => fixed(notional, 0),
    order: (a, b) => compare(a.notional, b.notional),
    wide: true,
  },
  {
    name: "Leverage",
    number: true,
    cell: ({ leverage }) => (leverage === null ? "–" : `${fixed(leverage, 1)}×`),
    wide: true,
  },
  { name: "Liquidation", number: true, cell: ({ liqPrice }) => <b>{price(liqPrice)}</b> },
  { name: "Away", number: true, cell: ({ risk }) => percentText(risk?.distancePercent ?? null) },
  { name: "Bankruptcy", number: true, cell: ({ bankruptcyPrice }) => price(bankruptcyPrice), wide: true },
  {
    name: "ADL",
    cell: ({ risk }) =>
      risk?.adl ? (
        <span class="row">
          <AdlLights quintile={risk.adl.quintile} />
          <span class="faint wide">{short(risk.adl.ahead)} ahead</span>
        </span>
      ) : (
        "–"
      ),
  },
];

/** Positions of one account, with what is known of their risk. */
export function PositionsTable(props: {
  readonly positions: PositionsData | null;
  readonly margin: MarginData | null;
}) {
  const rows = Object.entries(props.positions?.positions ?? {}).map(([id, row]) => ({
    id,
    ...row,
    risk: props.margin?.positions[id],
  }));
  return (
    <Table
      caption="Positions"
      columns={positionColumns()}
      rows={rows}
      keyOf={({ id }) => id}
      none="No position is open."
    />
  );
}

type Collateral = MarginData["collateral"][string] & { readonly id: string };

const collateralColumns: readonly Column<Collateral>[] = [
  { name: "Asset", cell: ({ id }) => id },
  {
    name: "Balance",
    number: true,
    cell: ({ balance }) => (
      <span class={balance.startsWith("-") ? "loss" : ""} title={exact(balance)}>
        {cutTo(balance, 8)}
      </span>
    ),
  },
  { name: "Weight", number: true, cell: ({ weight }) => percent(weight, 1) },
  { name: "Haircut", number: true, cell: ({ haircut }) => percent(haircut, 1) },
  {
    name: "Counts as",
    number: true,
    cell: ({ value }) => <b>{usdCents(value)}</b>,
    order: (a, b) => compare(a.value, b.value),
  },
];

/** What an account holds, and what of it counts after weight and haircut. */
export function CollateralTable({ margin }: { readonly margin: MarginData | null }) {
  const rows = Object.entries(margin?.collateral ?? {}).map(([id, row]) => ({ id, ...row }));
  return (
    <Table
      caption="Collateral with haircuts"
      columns={collateralColumns}
      rows={rows}
      keyOf={({ id }) => id}
      none="Nothing is held."
    />
  );
}

type Order = OrdersData["orders"][string] & { readonly id: string };

const orderColumns: readonly Column<Order>[] = [
  { name: "Order", cell: ({ id }) => <code>{id}</code> },
  { name: "Instrument", cell: ({ instrument }) => instrument },
  { name: "Side", cell: ({ side, reduceOnly }) => `${side}${reduceOnly ? ", reduce-only" : ""}` },
  { name: "Quantity", number: true, cell: ({ qty }) => exact(qty) },
  { name: "Price", number: true, cell: (order) => (order.price === null ? "market" : price(order.price)) },
];

export function OrdersTable({ orders }: { readonly orders: OrdersData | null }) {
  const rows = Object.entries(orders?.orders ?? {}).map(([id, row]) => ({ id, ...row }));
  return (
    <Table caption="Resting orders" columns={orderColumns} rows={rows} keyOf={({ id }) => id} none="No order rests." />
  );
}

/** The thresholds that an account's own rules give its load line. */
export const thresholdsOf = ({ fullAt, partialAt, warnAt }: MarginData) => ({
  full: fullAt,
  partial: partialAt,
  warnings: warnAt,
});

export const ratioText = (margin: MarginData | null): string => ratio(margin?.ratio ?? null);
