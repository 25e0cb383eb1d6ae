import { expect, test } from "vitest";
import { Rational } from "#libs/decimal/index.ts";
import type { AssetRules } from "#libs/domain/rule-set/types.ts";
import { type BadDebt, planBadDebt, shareLoss, type Winner } from "#libs/domain/settlement/bad-debt.ts";
import {
  type Balance,
  type ConversionMarket,
  type ConversionProvider,
  type ConversionStep,
  planConversion,
} from "#libs/domain/settlement/conversion.ts";
import { closingFees } from "#libs/domain/settlement/fees.ts";
import {
  brakeRoom,
  drawdown,
  type FundState,
  judgeBrake,
  newFundState,
  pastLevelsMax,
  peakResult,
  recordResult,
  spendableUsd,
} from "#libs/domain/settlement/fund.ts";
import {
  balanced,
  cashTransfer,
  conversionPostings,
  imbalance,
  type Posting,
  roundingPlaces,
} from "#libs/domain/settlement/ledger.ts";
import { planLiquidationEnd } from "#libs/domain/settlement/liquidation-end.ts";
import { table } from "#test/support/table.ts";

const n = (text: string): Rational => Rational.parse(text);

/** `asset quantum index order fee cap`, with `-` for absent. */
function market(lines: readonly string[]): ConversionMarket {
  const rows = new Map(
    lines.map((line) => {
      const [id, quantum, index, order, fee, cap] = line.split(" ") as [string, string, string, string, string, string];
      const rules = {
        id,
        quantum: n(quantum),
        conversionOrder: order === "-" ? null : Number(order),
        conversionFee: n(fee),
        conversionCap: cap === "-" ? null : n(cap),
      } as AssetRules;
      return [id, { rules, index: n(index) }] as const;
    }),
  );
  const row = (id: string) => {
    const found = rows.get(id);
    if (found === undefined) throw new Error(`no asset ${id}`);
    return found;
  };
  return { asset: (id) => row(id).rules, index: (id) => row(id).index };
}

const world = market([
  "BTC 0.01 50 2 0.1 -",
  "ETH 0.01 20 1 0 -",
  "EUR 0.01 1 1 0 -",
  "GLD 0.01 10 - 0.5 -",
  "USD 0.01 1 - 0 -",
]);

const balances = (text: string): Balance[] =>
  text === ""
    ? []
    : text.split(", ").map((one) => ({ asset: one.split(" ")[0] as string, amount: n(one.split(" ")[1] as string) }));
const told = (held: readonly Balance[]): string =>
  held.map(({ asset, amount }) => `${asset} ${amount.toStringDown()}`).join(", ");
const steps = (made: readonly ConversionStep[]): string =>
  made
    .map((one) => `${one.sold.toStringDown()} ${one.from} > ${one.bought.toStringDown()} ${one.to} ${one.counterparty}`)
    .join(", ");

const conversions = table(`
  rule   | balances                   | house             | steps                                                            | waits  | because
  COL-20 | BTC 9, ETH 1, USD -30      | USD 100           | 1 ETH > 20 USD house, 0.23 BTC > 10 USD house                    |        | the lower order is sold first, and the next one pays the rest
  COL-20 | ETH 1, EUR 9, USD -21      | USD 100           | 1 ETH > 20 USD house, 1 EUR > 1 USD house                        |        | equal orders go by asset id
  COL-20 | GLD 9, USD -21             | USD 100           |                                                                  | USD 21 | an asset without an order is never sold
  COL-21 | BTC 1, USD -44.97          | USD 100           | 1 BTC > 44.97 USD house                                          |        | the account gives rounded up: 0.9993 becomes 1
  COL-21 | BTC 0.01, USD -0.46        | USD 100           | 0.01 BTC > 0.45 USD house                                        | USD 0.01 | 0.01 at 45 brings 0.45
  COL-21 | ETH 1, EUR -0.001, USD -1  | USD 100, EUR 9    | 0.05 ETH > 1 USD house                                           | EUR 0.001 | what is less than a quantum cannot be bought
  COL-22 | ETH 9, USD -50             | USD 30            | 1.5 ETH > 30 USD house                                           | USD 20 | house pays with what it has
  COL-22 | ETH 9, USD -50             |                   |                                                                  | USD 50 | and nothing when it has nothing
  COL-25 | ETH 1, USD -50             | USD 100           | 1 ETH > 20 USD house                                             | USD 30 | what the assets do not cover waits
  COL-28 | ETH 3, EUR -10, USD -50    | USD 100, EUR 100  | 0.5 ETH > 10 EUR house, 2.5 ETH > 50 USD house                   |        | debts are paid in order of asset id
`);
for (const c of conversions) {
  test(`${c.rule} ${c.because}`, () => {
    const plan = planConversion(
      { account: "a", balances: balances(c.balances), house: balances(c.house), providers: [] },
      world,
    );
    expect(steps(plan.steps)).toBe(c.steps);
    expect(told(plan.waiting)).toBe(c.waits);
    expect(balanced(plan.steps.flatMap((step) => conversionPostings("a", step)))).toBe(true);
  });
}

test("COL-21 the price and the fee are exact: index less the fee of the asset sold", () => {
  const plan = planConversion(
    { account: "a", balances: balances("BTC 1, EUR -9"), house: balances("EUR 9"), providers: [] },
    market(["BTC 0.01 50 1 0.1 -", "EUR 0.01 3 - 0 -"]),
  );
  const [step] = plan.steps as [ConversionStep];
  expect([step.price.toString(), step.sold.toString(), step.fee.toString()]).toEqual(["15", "3/5", "1"]);
});

const caps = table(`
  cap | holds | steps                                        | because
  20  | 0     | 1 ETH > 20 USD house                         | exactly up to the cap
  20  | 0.5   | 0.5 ETH > 10 USD house                       | what house already holds counts
  20  | 2     |                                              | above the cap nothing is taken
`);
for (const c of caps) {
  test(`COL-23 ${c.because}`, () => {
    const plan = planConversion(
      { account: "a", balances: balances("ETH 9, USD -50"), house: balances(`USD 100, ETH ${c.holds}`), providers: [] },
      market([`ETH 0.01 20 1 0 ${c.cap}`, "USD 0.01 1 - 0 -"]),
    );
    expect(steps(plan.steps)).toBe(c.steps);
  });
}

test("COL-24 providers follow house, the smallest discount first, up to capacity and cash", () => {
  const provider = (account: string, discount: string, capacity: string, cash: string): ConversionProvider => ({
    account,
    asset: "ETH",
    capacity: n(capacity),
    discount: n(discount),
    cash: balances(`USD ${cash}`),
  });
  const providers = [
    provider("q", "0.1", "9", "18"),
    provider("p", "0.1", "9", "9"),
    provider("r", "0", "0.5", "100"),
    provider("a", "0", "9", "100"),
    { ...provider("s", "0", "9", "100"), asset: "BTC" },
  ];
  const request = { account: "a", balances: balances("ETH 9, USD -50"), house: balances("USD 10"), providers };
  const plan = planConversion(request, world);
  expect(steps(plan.steps)).toBe("0.5 ETH > 10 USD house, 0.5 ETH > 10 USD r, 0.5 ETH > 9 USD p, 1 ETH > 18 USD q");
  expect(told(plan.waiting)).toBe("USD 3");
});

test("COL-24 a provider's capacity is used up over all debts of a plan", () => {
  const one = { account: "p", asset: "ETH", capacity: n("1"), discount: n("0"), cash: balances("USD 99, EUR 99") };
  const request = { account: "a", balances: balances("ETH 9, EUR -10, USD -50"), house: [], providers: [one] };
  const plan = planConversion(request, world);
  expect(steps(plan.steps)).toBe("0.5 ETH > 10 EUR p, 0.5 ETH > 10 USD p");
});

const ends = table(`
  rule   | balances             | house  | insurance | steps                                                                     | short  | after                  | because
  COL-26 | ETH 9, USD -50       | USD 10 | USD 99    | 0.5 ETH > 10 USD house, 2 ETH > 40 USD insurance                          |        | ETH 6.5, USD 0         | the fund takes what house does not
  COL-26 | GLD 9, USD -10       | USD 99 | USD 99    | 2 GLD > 10 USD insurance                                                  |        | GLD 7, USD 0           | an asset without an order too, at index less its fee
  COL-27 | ETH 9, USD -50       |        | USD 30    | 1.5 ETH > 30 USD insurance, 1 ETH > 20 USD bad_debt                       |        | ETH 6.5, USD 0         | beyond the fund's reach debt and cover move to bad_debt, and D is nothing
  COL-27 | ETH 1, USD -50       |        | USD 10    | 0.5 ETH > 10 USD insurance, 0.5 ETH > 10 USD bad_debt                     | USD 30 | ETH 0, USD 0           | only what no asset covers is D
  COL-27 | USD -50              |        | USD 99    |                                                                           | USD 50 | USD 0                  | without assets all of it is D, whatever the fund holds
  COL-27 | ETH 1, BTC 1, USD -5 |        |           | 0.25 ETH > 5 USD bad_debt                                                 |        | BTC 1, ETH 0.75, USD 0 | no more than covers it moves
`);
for (const c of ends) {
  test(`${c.rule} ${c.because}`, () => {
    const end = planLiquidationEnd(
      {
        account: "a",
        balances: balances(c.balances),
        house: balances(c.house),
        insurance: balances(c.insurance),
        providers: [],
      },
      world,
    );
    expect(steps(end.steps)).toBe(c.steps);
    expect(told(end.shortfalls)).toBe(c.short);
    expect(told(end.balances)).toBe(c.after);
  });
}

/** `account profit equity`. */
const winners = (text: string): Winner[] | null =>
  text === "none"
    ? null
    : text.split(", ").map((one) => {
        const [account, profit, equity] = one.split(" ") as [string, string, string];
        return { account, mode: "cross", profit: n(profit), fullEquity: n(equity) };
      });

const debts = table(`
  rule   | D     | insurance       | spend | house  | winners             | fund | others                    | shared            | parked | because
  LIQ-18 | 10    | USD 10          | -     |        | a 9 9               | 10   |                           |                   | 0      | the fund of the asset pays first
  LIQ-18 | 10    | USD 4, ETH 1    | -     | USD 9  | a 9 9               | 4    | 0.3 ETH > 6 USD house     |                   | 0      | then another fund, turned over by house
  LIQ-18 | 10    | USD 4, ETH 1    | -     | USD 2  | a 9 9               | 4    | 0.1 ETH > 2 USD house, 0.2 ETH > 4 USD bad_debt | | 0 | then kept against the debt
  LIQ-18 | 30    | BTC 0.5, ETH 0.1 | -    |        | none                | 0    | 0.5 BTC > 25 USD bad_debt, 0.1 ETH > 2 USD bad_debt | | 3 | other funds in order of asset id, without a fee
  LIQ-18 | 10    | USD 9, ETH 1    | 5     |        | none                | 5    |                           |                   | 5      | all funds together spend no more than they may
  LIQ-18 | 10    | USD 3, ETH 1    | 5     |        | none                | 3    | 0.1 ETH > 2 USD bad_debt  |                   | 5      | other funds included
  LIQ-19 | 9     |                 | -     |        | a 10 99, b 20 99    | 0    |                           | a 3, b 6          | 0      | in proportion to profit
  LIQ-19 | 1     |                 | -     |        | b 1 99, a 1 99, c 1 99 | 0 |                           | a 0.34, b 0.34, c 0.32 | 0   | rounded up in account order, the last takes the rest
  LIQ-19 | 0.01  |                 | -     |        | b 1 99, a 1 99      | 0    |                           | a 0.01            | 0      | a single quantum is the first one's
  LIQ-19 | 9     |                 | -     |        | a 10 1, b 10 99     | 0    |                           | a 1, b 8          | 0      | equity caps, and the others pay more
  LIQ-19 | 9     |                 | -     |        | a 10 -1, b 4 99     | 0    |                           | b 4               | 5      | a pool below zero pays nothing, nobody pays more than its profit
  LIQ-19 | 9     |                 | -     |        | a 3.999 99, b -4 99 | 0    |                           | a 3.99            | 5.01   | what a winner can pay is whole quanta
  LIQ-20 | 9     | USD 2           | -     |        | none                | 2    |                           |                   | 7      | without an instrument the rest is parked
`);
for (const c of debts) {
  test(`${c.rule} ${c.because}`, () => {
    const debt: BadDebt = {
      asset: "USD",
      amount: n(c.D),
      insurance: balances(c.insurance),
      spendableUsd: c.spend === "-" ? null : n(c.spend),
      house: balances(c.house),
      winners: winners(c.winners),
    };
    const plan = planBadDebt(debt, world);
    expect(plan.fund.toStringDown()).toBe(c.fund);
    expect(steps(plan.otherFunds)).toBe(c.others);
    expect(plan.shared.map((one) => `${one.account} ${one.amount.toStringDown()}`).join(", ")).toBe(c.shared);
    expect(plan.parked.toStringDown()).toBe(c.parked);
  });
}

test("LIQ-20 a debt that is not positive whole quanta is refused", () => {
  const debt = { asset: "USD", insurance: [], spendableUsd: null, house: [], winners: null };
  for (const amount of ["0", "-1", "0.005"]) {
    expect(() => planBadDebt({ ...debt, amount: n(amount) }, world)).toThrow(RangeError);
  }
});

test("LIQ-19 of one account the cross pool pays before the isolated one", () => {
  const one: Winner = { account: "a", mode: "isolated", profit: n("1"), fullEquity: n("9") };
  const shared = shareLoss(n("0.01"), [one, { ...one, mode: "cross" }], n("0.01"));
  expect(shared.map(({ mode }) => mode)).toEqual(["cross"]);
});

const rooms = table(`
  balance | index | cap | spent | brake | spendable | because
  100     | 2     | -   | 0     | -     | 200       | all of the balance in USD
  100     | 2     | 150 | 0     | -     | 150       | the cap of a saga
  100     | 2     | 150 | 60    | -     | 90        | less what the saga has had
  100     | 2     | 150 | 151   | -     | 0         | never below nothing
  100     | 2     | 150 | 60    | 80    | 80        | what the brake leaves
  0       | 2     | 150 | 60    | 80    | 0         | an empty fund spends nothing
`);
for (const c of rooms) {
  test(`LIQ-15 ${c.because}`, () => {
    const spendable = spendableUsd({
      balance: n(c.balance),
      indexUsd: n(c.index),
      eventCapUsd: c.cap === "-" ? null : n(c.cap),
      spentUsd: n(c.spent),
      brakeRoomUsd: c.brake === "-" ? null : n(c.brake),
    });
    expect(spendable.toStringDown()).toBe(c.spendable);
  });
}

const brake = { drawdown: n("0.3"), until: n("0.25"), hours: n("8") };
const hour = 3_600_000;

/** Results `t amount balanceAfter`, in hours. */
function after(results: string): FundState {
  return results.split(", ").reduce((state, one) => {
    const [t, amount, balance] = one.split(" ") as [string, string, string];
    return recordResult(state, Number(t) * hour, n(amount), n(balance), brake);
  }, newFundState);
}

const brakes = table(`
  results                  | t  | balance | braked | room | because
  0 -10 90                 | 1  | 90      | no     | 20   | what is left until 30 % of what was held at the peak
  0 -29.99 70.01           | 1  | 70.01   | no     | 0.01 | a cent before the limit there is a cent of room
  0 -30 70                 | 1  | 70      | yes    | 0    | at 30 % exactly it engages
  0 -30 70, 1 5 75         | 2  | 75      | yes    | 0    | at 25 % exactly it still holds
  0 -30 70, 1 5.01 75.01   | 2  | 75.01   | no     | 5.01 | above that it lets go
  0 -30 70                 | 7.9 | 70     | yes    | 0    | for as long as the peak is in the window
  0 -30 70                 | 8  | 70      | no     | 21   | eight hours later the peak is what it is now
  0 50 150, 1 -40 110      | 2  | 110     | no     | 5    | income is a peak too
  0 -29 71                 | 1  | 171     | no     | 31   | a top-up is no result: it only widens what is held
  0 -30 70                 | 1  | 1000    | no     | 279  | but it can bring the fund back above the limit
`);
for (const c of brakes) {
  test(`LIQ-16 ${c.because}`, () => {
    const state = after(c.results);
    const t = Number(c.t) * hour;
    expect(judgeBrake(state, n(c.balance), brake, t).braked).toBe(c.braked === "yes");
    expect(brakeRoom(state, n(c.balance), brake, t)?.toStringDown()).toBe(c.room);
  });
}

test("LIQ-16 without a brake there is no limit and nothing engages", () => {
  const state = recordResult(newFundState, 0, n("-99"), n("1"), null);
  expect(state.braked).toBe(false);
  expect(brakeRoom(state, n("1"), null, 1)).toBe(null);
});

test("LIQ-16 an empty fund without losses has no drawdown", () => {
  expect(drawdown(newFundState, Rational.zero, brake.hours, 0).isZero()).toBe(true);
});

test("LIQ-16 levels kept are bounded, and joining them never lowers the peak", () => {
  let state = newFundState;
  for (let at = 0; at < pastLevelsMax + 500; at += 1) state = recordResult(state, at, n("-1"), n("1000000"), brake);
  expect(state.past.length).toBeLessThanOrEqual(pastLevelsMax);
  expect(peakResult(state, brake.hours, hour).toString()).toBe("0");
  // Each level was left at its own millisecond: once the first three are out of the window the fourth is the peak, or a joined neighbour above it.
  const later = peakResult(state, brake.hours, 8 * hour + 2);
  expect(later.atLeast(n("-3")) && later.atMost(n("-2"))).toBe(true);
});

const fees = table(`
  notional | equity | cash | taker | liquidation | because
  1000     | 99     | 99   | 1     | 5           | both in full
  1000     | 3      | 99   | 1     | 2           | what is left of equity after the taker fee
  1000     | 99     | 0.5  | 0.5   | 0           | cash bounds the taker fee first
  1000     | -1     | 99   | 0     | 0           | nothing from a pool below zero
  0.001    | 99     | 99   | 0.01  | 0.01        | each rounds up
  1000     | 1.009  | 99   | 1     | 0           | what is left is whole quanta
`);
for (const c of fees) {
  test(`LIQ-24 ${c.because}`, () => {
    const taken = closingFees({
      notional: n(c.notional),
      takerFee: n("0.001"),
      liquidationFee: n("0.005"),
      fullEquity: n(c.equity),
      cash: n(c.cash),
      quantum: n("0.01"),
    });
    expect([taken.taker.toStringDown(), taken.liquidation.toStringDown()]).toEqual([c.taker, c.liquidation]);
  });
}

test("LIQ-21 postings balance per asset, with cost counted negatively", () => {
  const post = (kind: Posting["kind"], amount: string, asset = "USD"): Posting => ({
    account: "a",
    asset,
    kind,
    amount: n(amount),
  });
  expect(balanced([...cashTransfer("USD", n("3"), "a", "b"), ...cashTransfer("BTC", n("1"), "b", "a")])).toBe(true);
  expect(balanced([post("cost", "5"), post("cash", "5")])).toBe(true);
  expect(balanced([post("cost", "5"), post("cash", "-5")])).toBe(false);
  expect(balanced([post("margin", "1"), post("funding", "-1")])).toBe(true);
  const off = imbalance([post("cash", "1", "USD"), post("cash", "-1", "BTC"), post("cash", "0", "EUR")]);
  expect(told(off)).toBe("BTC -1, USD 1");
});

test("LIQ-21 the deficit is covered before collateral moves", () => {
  const plan = planConversion(
    { account: "a", balances: balances("ETH 9, USD -20"), house: balances("USD 30"), providers: [] },
    world,
  );
  const legs = plan.steps.flatMap((step) => conversionPostings("a", step));
  expect(legs.map(({ account, asset, amount }) => `${account} ${asset} ${amount.toStringDown()}`)).toEqual([
    "house USD -20",
    "a USD 20",
    "a ETH -1",
    "house ETH 1",
  ]);
});

test("LIQ-21 every rounding place has its own name", () => {
  expect(new Set(roundingPlaces.map((place) => place.name)).size).toBe(roundingPlaces.length);
});
