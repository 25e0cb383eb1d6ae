import type { Amount, Scope } from "./log.ts";

/** Answers to `ask`, as in the scenario format. Amounts are decimal strings; null: infinite, or no such price. */
export interface AccountAnswer {
  readonly account: string;
  readonly state: string;
  readonly equity: Amount;
  readonly initialEquity: Amount;
  readonly fullEquity: Amount;
  readonly im: Amount;
  readonly orderIm: Amount;
  readonly mm: Amount;
  readonly ratio: Amount | null;
  readonly free: Amount;
  readonly cash: Readonly<Record<string, Amount>>;
  readonly collateral: readonly { asset: string; balance: Amount; value: Amount; weight: Amount; haircut: Amount }[];
  readonly positions: readonly PositionAnswer[];
  readonly orders: readonly OrderAnswer[];
}

export interface PositionAnswer {
  readonly instrument: string;
  readonly mode: "cross" | "isolated";
  readonly qty: Amount;
  readonly entry: Amount;
  readonly mark: Amount;
  readonly notional: Amount;
  readonly upnl: Amount;
  readonly realised: Amount;
  readonly funding: Amount;
  readonly im: Amount;
  readonly mm: Amount;
  readonly leverage: Amount | null;
  readonly partialPrice: Amount | null;
  readonly liqPrice: Amount | null;
  readonly bankruptcyPrice: Amount | null;
  readonly ratio: Amount | null;
  readonly margin: Amount | null;
  readonly adl: {
    readonly score: Amount | null;
    readonly rank: number;
    readonly bucket: number;
    readonly ahead: Amount;
  } | null;
}

export interface OrderAnswer {
  readonly id: string;
  readonly instrument: string;
  readonly side: "buy" | "sell";
  readonly qty: Amount;
  readonly price: Amount | null;
  readonly reduceOnly: boolean;
}

export interface ExchangeAnswer {
  readonly fund: Readonly<Record<string, Amount>>;
  readonly house: Readonly<Record<string, Amount>>;
  readonly badDebt: Readonly<Record<string, Amount>>;
  readonly rounding: Readonly<Record<string, Amount>>;
  readonly openInterest: Readonly<Record<string, Amount>>;
  readonly halts: readonly {
    scope: Scope;
    id: string | null;
    state: string;
    reason: string;
    since: number;
    until: number | null;
  }[];
  readonly adlQueues: Readonly<Record<string, { readonly long: readonly string[]; readonly short: readonly string[] }>>;
  readonly liquidations: readonly { account: string; instrument: string | null; t: number; stage: number }[];
}

export interface AllocationAnswer {
  readonly instrument: string;
  readonly side: "long" | "short";
  readonly price: Amount;
  readonly allocation: readonly { account: string; qty: Amount }[];
}

export interface ReduceAnswer {
  readonly account: string;
  readonly steps: readonly { instrument: string; qty: Amount; ratio: Amount | null }[];
}
