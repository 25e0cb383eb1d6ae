import type { MarginData } from "#libs/contracts/stream/account.ts";
import type { MarksData } from "#libs/contracts/stream/market.ts";
import type { InstrumentData, Queued } from "#libs/contracts/stream/operators.ts";
import {
  add,
  compare,
  isAmount,
  isNegative,
  isZero,
  magnitude,
  multiply,
  negate,
  quotient,
  subtract,
} from "../amounts.ts";
import { cutTo, instant, percent, price, signed, usd, usdCents, whole } from "../format.ts";
import { sizeText } from "../risk-texts.ts";
import type { Tone } from "../tone.ts";
import type { Payload } from "./operations.ts";
import { ruleFigures, type RulesNow } from "./rule-figures.ts";

/** What is known where a command is looked at; null: not yet, or nobody says. */
export interface Known {
  readonly marks: MarksData | null;
  /** Balances of the funds on the shard that is meant, by asset; `logSeq`: what they are as of. */
  readonly funds: { readonly balances: Readonly<Record<string, string>>; readonly logSeq: number } | null;
  /** Accounts that the command names. */
  readonly accounts: Readonly<Record<string, MarginData>>;
  readonly instrument: InstrumentData | null;
  readonly rules: RulesNow | null;
  /** UTC ms of the market's clock. */
  readonly marketT: number | null;
}

export interface Told {
  readonly name: string;
  readonly value: string;
  readonly note?: string;
  readonly tone?: Tone;
}

export interface Taken {
  readonly account: string;
  readonly rank: number;
  readonly holds: string;
  /** Contracts that would be closed; null: not known here. */
  readonly takes: string | null;
}

const text = (value: unknown): string => (typeof value === "string" ? value : "");
const amountIn = (payload: Payload, name: string): string | null => {
  const value = text(payload[name]);
  return isAmount(value) ? value : null;
};

function worth({ marks }: Known, asset: string, amount: string): Told {
  const index = marks?.indices[asset]?.price ?? null;
  return index === null
    ? { name: "Worth", value: "–", note: `no index of ${asset}`, tone: "warn" }
    : { name: "Worth", value: usdCents(multiply(magnitude(amount), index)), note: `at the index, ${price(index)}` };
}

const placesShown = 8;

/** What stands there now, and what would. */
function balance(name: string, before: string | null, change: string | null, asset: string, note?: string): Told {
  if (before === null) return { name, value: "–", note: `holds no ${asset} that is known` };
  if (change === null) return { name, value: cutTo(before, placesShown), note: note ?? asset };
  const after = add(before, change);
  const short = isNegative(after);
  return {
    name,
    value: `${cutTo(before, placesShown)} → ${cutTo(after, placesShown)}`,
    note: short ? "less than nothing: it will be refused" : (note ?? asset),
    ...(short ? { tone: "bad" } : {}),
  };
}

function fundFigures(payload: Payload, known: Known): readonly Told[] {
  const asset = text(payload["asset"]);
  const change = amountIn(payload, "amount");
  const { funds } = known;
  const name = payload["fund"] === "house" ? "House" : "Insurance fund";
  const before = funds === null ? null : (funds.balances[asset] ?? "0");
  const note = funds === null ? asset : `${asset}, at log #${whole(funds.logSeq)}`;
  return [...(change === null ? [] : [worth(known, asset, change)]), balance(name, before, change, asset, note)];
}

const heldBy = ({ accounts }: Known, account: string, asset: string): string | null => {
  const margin = accounts[account];
  return margin === undefined ? null : (margin.collateral[asset]?.balance ?? "0");
};

function cashFigures(payload: Payload, known: Known, parties: readonly (readonly [account: string, sign: 1 | -1])[]) {
  const asset = text(payload["asset"]);
  const amount = amountIn(payload, "amount");
  const figures = parties.map(([account, sign]) => {
    const change = amount === null ? null : sign === 1 ? amount : negate(amount);
    return balance(account, heldBy(known, account, asset), change, asset);
  });
  const free = parties.flatMap(([account, sign]) => {
    const margin = known.accounts[account];
    const leaves = amount !== null && isNegative(sign === 1 ? amount : negate(amount));
    return margin === undefined || !leaves
      ? []
      : [{ name: `${account}, free`, value: usd(margin.free), note: "before it" }];
  });
  return [...(amount === null || asset === "" ? [] : [worth(known, asset, amount)]), ...figures, ...free];
}

const bandDefault = "0.1";

function settleFigures(payload: Payload, known: Known): readonly Told[] {
  const instrument = text(payload["instrument"]);
  const said = amountIn(payload, "price");
  const mark = known.marks?.marks[instrument];
  const index = mark === undefined ? null : (known.marks?.indices[mark.index]?.price ?? null);
  const band = text(known.rules?.document["settlementBand"]) || bandDefault;
  const distance = said === null || index === null ? null : quotient(subtract(said, index), index);
  const beyond = distance !== null && compare(magnitude(distance), band) > 0;
  const { instrument: data } = known;
  return [
    { name: "Index", value: price(index), note: mark === undefined ? "no such instrument" : `of ${mark.index}` },
    {
      name: "From the index",
      value: distance === null ? "–" : signed(percent(distance)),
      note: beyond ? `beyond ${percent(band, 0)}: it will be refused` : `allowed are ${percent(band, 0)}`,
      tone: beyond ? "bad" : "plain",
    },
    { name: "Mark", value: price(mark?.price), note: mark?.quality ?? "" },
    {
      name: "Settles",
      value: usd(mark?.openInterestUsd),
      note: data === null ? "open interest" : `${whole(data.long.holders)} long, ${whole(data.short.holders)} short`,
    },
  ];
}

function deleverageFigures(payload: Payload, known: Known): readonly Told[] {
  const account = text(payload["account"]);
  const instrument = text(payload["instrument"]);
  const qty = amountIn(payload, "qty");
  const position = known.accounts[account]?.positions[instrument];
  if (position === undefined) return [{ name: "Position", value: "–", note: `${account} holds no ${instrument}` }];
  const size = magnitude(position.qty);
  const more = qty !== null && compare(qty, size) > 0;
  const left = qty === null ? null : isNegative(position.qty) ? add(position.qty, qty) : subtract(position.qty, qty);
  const share = qty === null || isZero(size) ? null : quotient(qty, size);
  const notional = known.marks?.marks[instrument];
  const perContract =
    notional === undefined || notional.openInterestUsd === null
      ? null
      : quotient(notional.openInterestUsd, notional.openInterest);
  return [
    {
      name: "Position",
      value: left === null || more ? sizeText(position.qty) : `${sizeText(position.qty)} → ${sizeText(left)}`,
      note: more
        ? "more than it holds: it will be refused"
        : share === null
          ? "contracts"
          : `${percent(share, 1)} of it`,
      tone: more ? "bad" : "plain",
    },
    { name: "Closed at", value: price(position.mark), note: "the mark" },
    {
      name: "Worth",
      value: qty === null || perContract === null ? "–" : usd(multiply(qty, perContract)),
      note: "notional at mark",
    },
    { name: "Chosen by", value: policyOf(instrument, known) ?? "–", note: "in liquidation: left out" },
  ];
}

const headMax = 5;

/** How those on the other side are chosen; null: not known yet. */
function policyOf(instrument: string, { rules }: Known): string | null {
  if (rules === null) return null;
  const list: unknown = rules.document["instruments"];
  const found = Array.isArray(list) ? (list as readonly Payload[]).find((one) => one["id"] === instrument) : undefined;
  return text(found?.["adlPolicy"]) || "queue";
}

/**
 * Whom a deleveraging would take from, as the queue of the other side stands; those that the stream lists alone. Under any other policy
 * than the queue its head is shown, and nobody's part: that is the engine's to work out.
 */
export function headOfQueue(payload: Payload, known: Known): readonly Taken[] | null {
  const account = text(payload["account"]);
  const policy = policyOf(text(payload["instrument"]), known);
  const position = known.accounts[account]?.positions[text(payload["instrument"])];
  const { instrument } = known;
  if (position === undefined || instrument === null || policy === null) return null;
  const queue: readonly Queued[] = (isNegative(position.qty) ? instrument.long : instrument.short).adl;
  let need = amountIn(payload, "qty") ?? "0";
  const rows: Taken[] = [];
  for (const one of queue) {
    if (one.account === account) continue;
    if (isZero(need) && rows.length >= headMax) break;
    const takes = compare(one.qty, need) < 0 ? one.qty : need;
    need = subtract(need, takes);
    rows.push({ account: one.account, rank: one.rank, holds: one.qty, takes: policy === "queue" ? takes : null });
  }
  return rows;
}

const ends = (payload: Payload, { marketT }: Known): readonly Told[] => {
  const { until } = payload;
  if (typeof until !== "number" || !(until <= Number.MAX_SAFE_INTEGER / 2) || marketT === null) return [];
  const left = until - marketT;
  const minutes = `${whole(Math.round(left / 60_000))} min`;
  return [
    { name: "Ends in", value: left > 0 ? minutes : "over", note: instant(until), ...(left > 0 ? {} : { tone: "bad" }) },
  ];
};

/** What a command comes to, in figures, as things stand. */
export function commandFigures(operation: string, payload: Payload, known: Known): readonly Told[] {
  switch (operation) {
    case "fund":
      return fundFigures(payload, known);
    case "adjust":
      return cashFigures(payload, known, [[text(payload["account"]), 1]]);
    case "transfer":
      return cashFigures(payload, known, [
        [text(payload["from"]), -1],
        [text(payload["to"]), 1],
      ]);
    case "settle":
      return settleFigures(payload, known);
    case "deleverage":
      return deleverageFigures(payload, known);
    case "limit":
    case "entity":
      return [...ruleFigures(operation, payload, known.rules), ...ends(payload, known)];
    case "emergency":
      return ends(payload, known);
    default:
      return [];
  }
}
