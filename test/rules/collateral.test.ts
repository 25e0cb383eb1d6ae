import { describe, expect, test } from "vitest";
import { balances, equities, platformScale, profits, slicedValue } from "#libs/domain/collateral/values.ts";
import { evaluateCross, evaluatePool } from "#libs/domain/health/evaluate.ts";
import { withdrawable } from "#libs/domain/margin/withdrawal.ts";
import type { AssetDocument, RuleDocument } from "#libs/domain/rule-set/documents.ts";
import { crossOf, isolatedOf, marketOf, orderOf, positionOf, r, rulesOf } from "#test/support/pools.ts";
import type { Prices } from "#test/support/pools.ts";
import { table } from "#test/support/table.ts";

const usdt: AssetDocument = { id: "USDT" };
const perp = { id: "BTC-PERP" };

/** The three equities of an account that holds `balance` of one asset and nothing else, as shown. */
function equityOf(asset: AssetDocument, balance: string, prices: Prices, more: Partial<RuleDocument> = {}): string[] {
  const rules = rulesOf([usdt, asset], [perp], more);
  const { initialEquity, maintenanceEquity, fullEquity } = equities(
    crossOf({ [asset.id]: balance }),
    marketOf(rules, prices),
    rules,
  );
  return [initialEquity, maintenanceEquity, fullEquity].map((one) => one.toStringDown());
}

test("COL-01 a balance is cash, unrealised profit of every position settled in the asset, and accrued funding", () => {
  const rules = rulesOf(
    [usdt, { id: "BTC" }],
    [perp, { id: "ETH-PERP", base: "ETH" }, { id: "INV", kind: "inverse", settle: "BTC" }],
  );
  const market = marketOf(rules, { mark: { "BTC-PERP": "50000", "ETH-PERP": "3000", INV: "50000" } });
  const pool = crossOf({ BTC: "1", USDT: "1000" }, [
    positionOf(rules, "BTC-PERP", "1", "49000", { funding: "-3" }),
    positionOf(rules, "ETH-PERP", "-2", "2900", { funding: "5" }),
    positionOf(rules, "INV", "40000", "40000"),
  ]);
  const held = balances(pool, profits(pool, market));
  // 1000 + 1000 − 3 − 200 + 5; the inverse long made 1 − 0.8 BTC.
  expect(held.map(({ asset, amount }) => `${asset} ${amount.toStringDown()}`)).toEqual(["BTC 1.2", "USDT 1802"]);
});

test("COL-01 a profit in an asset of which there is no cash makes a balance of it, in order of id", () => {
  const rules = rulesOf([usdt, { id: "BTC" }], [{ id: "INV", kind: "inverse", settle: "BTC" }]);
  const market = marketOf(rules, { index: { BTC: "50000" }, mark: { INV: "50000" } });
  const pool = crossOf({ USDT: "10" }, [positionOf(rules, "INV", "40000", "40000")]);
  const { collateral } = evaluateCross(pool, market, rules);
  expect(collateral.map(({ asset, balance }) => `${asset} ${balance.toStringDown()}`)).toEqual(["BTC 0.2", "USDT 10"]);
});

// The published form: 0–1,000,000 USD at 95 %, up to 2,000,000 at 90 %, nothing beyond.
const bounded = [
  { upTo: r("1000000"), weight: r("0.95") },
  { upTo: r("2000000"), weight: r("0.9") },
];
const sliceCases = table(`
  rule   | worth      | value      | because
  COL-02 | 0          | 0          | nothing is worth nothing
  COL-02 | 1000000    | 950000     | the first slice, full
  COL-02 | 1000000.01 | 950000.009 | one cent over counts at the second weight
  COL-02 | 1500000    | 1400000    | 950,000 + 450,000
  COL-06 | 2000000    | 1850000    | the last edge exactly
  COL-06 | 2000000.01 | 1850000    | what lies beyond the last edge counts nothing
  COL-06 | 9000000    | 1850000    | however much it is
`);
for (const { rule, worth, value, because } of sliceCases) {
  test(`${rule} ${worth} USD in slices: ${because}`, () => {
    expect(slicedValue(bounded, r("1.1"), r(worth)).toStringDown()).toBe(value);
  });
}

test("COL-02 slices are cut by USD value, so a price moves a balance into the next one", () => {
  const btc: AssetDocument = { id: "BTC", slices: [{ upTo: "100000", weight: "1" }, { weight: "0.5" }] };
  expect(equityOf(btc, "2", { index: { BTC: "50000" } })).toEqual(["100000", "100000", "100000"]);
  expect(equityOf(btc, "2", { index: { BTC: "60000" } })).toEqual(["110000", "110000", "120000"]);
});

const curves = table(`
  rule   | k      | balance | value  | because
  COL-03 | 0.1    | 1       | 0.95   | 1.1 / 1.1 = 1 leaves the weight as it is
  COL-03 | 0.1    | 4       | 3.6666666666666666 | 1.1 / 1.2 is below the weight and is rounded down
  COL-03 | 0.1    | 100     | 55     | 1.1 / 2
  COL-03 | 0      | 100     | 95     | without k there is no curve
`);
for (const { rule, k, balance, value, because } of curves) {
  test(`${rule} ${balance} units under k ${k}: ${because}`, () => {
    const asset = { id: "BTC", slices: [{ weight: "0.95" }], sizeCurve: k };
    expect(equityOf(asset, balance, {})[1]?.slice(0, 18)).toBe(value);
  });
}

test("COL-03 the curve is measured in units of the asset, whatever they are worth", () => {
  const asset = { id: "BTC", sizeCurve: "0.1" };
  expect(equityOf(asset, "100", { index: { BTC: "7" } })[1]).toBe("385");
});

test("COL-04 the haircut takes its share of what the weights left", () => {
  const asset = { id: "BTC", slices: [{ weight: "0.9" }] };
  const prices = { index: { BTC: "50000" }, haircutMaintenance: { BTC: "0.2" }, haircutInitial: { BTC: "0.3" } };
  expect(equityOf(asset, "1", prices)).toEqual(["31500", "36000", "50000"]);
});

const caps = table(`
  rule   | balance | maintenance | initial | because
  COL-05 | 1.24    | 49600       | 43400   | below the cap in both equities
  COL-05 | 1.25    | 50000       | 43750   | at the cap exactly
  COL-05 | 1.26    | 50000       | 44100   | it binds after weight and haircut, so one equity may be below it still
  COL-05 | 9       | 50000       | 50000   | and then both are at it
`);
for (const { rule, balance, maintenance, initial, because } of caps) {
  test(`${rule} a cap of 50,000 USD on ${balance} BTC: ${because}`, () => {
    const asset = { id: "BTC", slices: [{ weight: "1" }], cap: "50000" };
    const prices = { index: { BTC: "50000" }, haircutMaintenance: { BTC: "0.2" }, haircutInitial: { BTC: "0.3" } };
    expect(equityOf(asset, balance, prices).slice(0, 2)).toEqual([initial, maintenance]);
  });
}

const debts = table(`
  rule   | balance | value  | full   | because
  COL-07 | -1      | -52500 | -50000 | a debt weighs its premium more, without slices or haircut
  COL-07 | 0       | 0      | 0      | at zero neither applies
  COL-07 | 1       | 36000  | 50000  | a balance weighs less
`);
for (const { rule, balance, value, full, because } of debts) {
  test(`${rule} ${balance} BTC: ${because}`, () => {
    const asset = { id: "BTC", slices: [{ weight: "0.9" }], liabilityPremium: "0.05", cap: "1000000" };
    const prices = { index: { BTC: "50000" }, haircutMaintenance: { BTC: "0.2" }, haircutInitial: { BTC: "0.2" } };
    expect(equityOf(asset, balance, prices)).toEqual([value, value, full]);
  });
}

test("COL-07 the premium is taken per asset after netting, not per position", () => {
  const rules = rulesOf([{ id: "USDT", liabilityPremium: "0.1" }], [perp, { id: "ETH-PERP", base: "ETH" }]);
  const market = marketOf(rules, { mark: { "BTC-PERP": "50000", "ETH-PERP": "3000" } });
  const gain = positionOf(rules, "BTC-PERP", "1", "49000");
  const loss = positionOf(rules, "ETH-PERP", "1", "3600");
  expect(evaluatePool(crossOf({}, [gain, loss]), market, rules).maintenanceEquity.toStringDown()).toBe("400");
  expect(evaluatePool(crossOf({}, [loss]), market, rules).maintenanceEquity.toStringDown()).toBe("-660");
});

test("COL-08 initial equity has slices and a haircut of its own", () => {
  const asset = {
    id: "BTC",
    slices: [{ weight: "0.95" }],
    initialSlices: [{ upTo: "10000", weight: "0.9" }, { weight: "0.5" }],
  };
  const prices = { index: { BTC: "20000" }, haircutInitial: { BTC: "0.1" }, haircutMaintenance: { BTC: "0" } };
  expect(equityOf(asset, "1", prices)).toEqual(["12600", "19000", "20000"]);
});

const platform = table(`
  rule   | cash  | scale | initial | because
  COL-09 | 17.99 | 1     | 45000   | the platform holds less than the start value
  COL-09 | 18    | 1     | 45000   | at the start value exactly nothing is scaled
  COL-09 | 20    | 0.9   | 40500   | 900,000 of 1,000,000
  COL-09 | 36    | 0.5   | 22500   | twice the start value halves the weight
`);
for (const { rule, cash, scale, initial, because } of platform) {
  test(`${rule} ${cash} BTC on the platform: ${because}`, () => {
    const asset = { id: "BTC", slices: [{ weight: "0.9" }], platformStart: "900000" };
    const prices = { index: { BTC: "50000" }, platformCash: { BTC: cash } };
    expect(equityOf(asset, "1", prices)).toEqual([initial, "45000", "50000"]);
    const rules = rulesOf([asset], []);
    expect(platformScale(rules.assets.get("BTC")!, marketOf(rules, prices)).toStringDown()).toBe(scale);
  });
}

test("COL-09 a debt is not made smaller by the platform holding much", () => {
  const asset = { id: "BTC", platformStart: "900000" };
  expect(equityOf(asset, "-1", { index: { BTC: "50000" }, platformCash: { BTC: "36" } })[0]).toBe("-50000");
});

const profitCases = table(`
  rule   | weight | k   | marks       | initial | because
  COL-10 | 1      | 0   | 50100 3000  | 1100    | by default a profit counts whole
  COL-10 | 0.5    | 0   | 50100 3000  | 1050    | half of a profit
  COL-10 | 0.5    | 0   | 50000 2900  | 900     | all of a loss
  COL-10 | 0.5    | 0   | 50100 2900  | 950     | per position: half of the profit, all of the loss
  COL-10 | 0      | 0   | 50100 2900  | 900     | no profit at all
  COL-10 | 1      | 0.1 | 50100 3000  | 1055    | 1.1 / (1 + 0.1·√100) of a profit of 100
`);
for (const { rule, weight, k, marks, initial, because } of profitCases) {
  test(`${rule} weight ${weight}, k ${k}, marks ${marks}: ${because}`, () => {
    const rules = rulesOf([usdt], [perp, { id: "ETH-PERP", base: "ETH" }], { profitWeight: { weight, k } });
    const [btc = "", eth = ""] = marks.split(" ");
    const market = marketOf(rules, { mark: { "BTC-PERP": btc, "ETH-PERP": eth } });
    const pool = crossOf({ USDT: "1000" }, [
      positionOf(rules, "BTC-PERP", "1", "50000"),
      positionOf(rules, "ETH-PERP", "1", "3000"),
    ]);
    const found = equities(pool, market, rules);
    expect(found.initialEquity.toStringDown()).toBe(initial);
    const whole = 1000 + Number(btc) - 50000 + Number(eth) - 3000;
    expect(found.maintenanceEquity.toStringDown()).toBe(String(whole));
    expect(found.fullEquity.toStringDown()).toBe(String(whole));
  });
}

test("COL-11 maintenance equity is the sum of its rows, each with the weight and haircut that made it", () => {
  const btc = { id: "BTC", slices: [{ upTo: "50000", weight: "0.9" }, { weight: "0.8" }] };
  const rules = rulesOf([usdt, btc], [perp]);
  const market = marketOf(rules, { index: { BTC: "50000" }, haircutMaintenance: { BTC: "0.1" } });
  const health = evaluateCross(crossOf({ BTC: "2", USDT: "7" }), market, rules);
  const rows = health.collateral.map(({ asset, balance, worth, value, weight, haircut }) =>
    [asset, ...[balance, worth, value, weight, haircut].map((one) => one.toStringDown())].join(" "),
  );
  expect(rows).toEqual(["BTC 2 100000 76500 0.85 0.1", "USDT 7 7 7 1 0"]);
  expect(health.maintenanceEquity.toStringDown()).toBe("76507");
});

test("COL-12 full equity knows no weight, haircut, cap or premium", () => {
  const btc = { id: "BTC", slices: [{ upTo: "1", weight: "0.1" }], cap: "1", liabilityPremium: "0.5" };
  const prices = { index: { BTC: "50000" }, haircutMaintenance: { BTC: "0.5" }, haircutInitial: { BTC: "0.5" } };
  expect(equityOf(btc, "2", prices)[2]).toBe("100000");
  expect(equityOf(btc, "-2", prices)[2]).toBe("-100000");
});

test("COL-12 a zero balance is worth zero without a price", () => {
  const rules = rulesOf([usdt, { id: "BTC" }], [perp]);
  const market = { ...marketOf(rules), index: (id: string) => (id === "USDT" ? r("1") : expect.unreachable(id)) };
  expect(equities(crossOf({ BTC: "0", USDT: "3" }), market, rules).fullEquity.toStringDown()).toBe("3");
});

describe("withdrawals", () => {
  const rules = rulesOf([usdt, { id: "BTC", liabilityPremium: "0.05" }], [perp, { id: "ETH-PERP", base: "ETH" }]);
  const flat = { mark: { "BTC-PERP": "50000", "ETH-PERP": "3000" }, index: { BTC: "50000" } };

  const cases = table(`
    rule   | usdt | marks      | leverage | order            | amount    | allowed | because
    COL-13 | 1000 | -          | -        | -                | 1000      | yes     | all cash may leave an account without risk
    COL-13 | 1000 | -          | -        | -                | 1000.01   | no      | cash must not go below zero
    COL-14 | 9000 | 50000 3000 | 10       | -                | 3700      | yes     | leaves exactly the initial margin of 5,300
    COL-14 | 9000 | 50000 3000 | 10       | -                | 3700.01   | no      | one cent more does not
    COL-14 | 9000 | 51000 3000 | 10       | -                | 3600      | yes     | a profit raises the requirement but may not leave
    COL-14 | 9000 | 51000 3000 | 10       | -                | 3600.01   | no      | nor back a withdrawal
    COL-14 | 9000 | 51000 2000 | 10       | -                | 2700      | yes     | a loss of 1,000 counts although a profit of 1,000 is there
    COL-14 | 9000 | 51000 2000 | 10       | -                | 2700.01   | no      | nothing is netted
    COL-14 | 9000 | 50000 3000 | 10       | o buy 0.2 50000  | 2700      | yes     | resting orders keep their margin
    COL-14 | 9000 | 50000 3000 | 10       | o buy 0.2 50000  | 2700.01   | no      | to the cent
    COL-15 | 9000 | 50000 3000 | 100      | -                | 3700      | yes     | ten percent of notional stay, however high the leverage
    COL-15 | 9000 | 50000 3000 | 100      | -                | 3700.01   | no      | to the cent
  `);
  for (const { rule, usdt: cash, marks, leverage, order, amount, allowed, because } of cases) {
    test(`${rule} withdrawing ${amount} at ${marks}: ${because}`, () => {
      const [btc = "50000", eth = "3000"] = marks === "-" ? [] : marks.split(" ");
      const market = marketOf(rules, { ...flat, mark: { "BTC-PERP": btc, "ETH-PERP": eth } });
      const positions =
        marks === "-"
          ? []
          : [
              positionOf(rules, "BTC-PERP", "1", "50000", { leverage }),
              positionOf(rules, "ETH-PERP", "1", "3000", { leverage }),
            ];
      const orders = order === "-" ? [] : [orderOf(rules, "BTC-PERP", order)];
      const pool = crossOf({ USDT: cash }, positions, orders);
      expect(withdrawable(pool, "USDT", r(amount), market, rules).allowed).toBe(allowed === "yes");
    });
  }

  test("COL-13 the cash that counts is of the asset withdrawn, not what others are worth", () => {
    const pool = crossOf({ BTC: "1", USDT: "-10" });
    const refused = withdrawable(pool, "USDT", r("1"), marketOf(rules, flat), rules);
    expect([refused.allowed, refused.cash.toStringDown()]).toEqual([false, "-11"]);
    expect(withdrawable(pool, "BTC", r("0.5"), marketOf(rules, flat), rules).allowed).toBe(true);
  });

  test("COL-14 what stays is valued as initial equity: here a debt of 100 USDT weighs 105 against the BTC that remains", () => {
    const weighed = rulesOf(
      [
        { ...usdt, liabilityPremium: "0.05" },
        { id: "BTC", slices: [{ weight: "0.5" }] },
      ],
      [perp],
    );
    const pool = crossOf({ BTC: "1", USDT: "-100" });
    const market = marketOf(weighed, { index: { BTC: "1000" } });
    expect(withdrawable(pool, "BTC", r("0.79"), market, weighed).allowed).toBe(true);
    const refused = withdrawable(pool, "BTC", r("0.7901"), market, weighed);
    expect([refused.allowed, refused.available.toStringDown()]).toEqual([false, "-0.05"]);
  });

  const isolated = table(`
    rule   | mark  | leverage | amount   | allowed | because
    COL-16 | 50000 | 10       | 1000     | yes     | leaves exactly the position's initial margin
    COL-16 | 50000 | 10       | 1000.01  | no      | one cent more does not
    COL-16 | 51000 | 10       | 900      | yes     | its profit neither leaves nor backs
    COL-16 | 51000 | 10       | 900.01   | no      | but raises the requirement
    COL-16 | 49000 | 10       | 100      | yes     | its loss is eaten first: 6,000 − 1,000 − 4,900
    COL-16 | 49000 | 10       | 100.01   | no      | to the cent
    COL-16 | 50000 | 100      | 1000.01  | no      | ten percent of notional here too
  `);
  for (const { rule, mark, leverage, amount, allowed, because } of isolated) {
    test(`${rule} taking ${amount} out of an isolated pool at ${mark}: ${because}`, () => {
      const market = marketOf(rules, { ...flat, mark: { "BTC-PERP": mark } });
      const pool = isolatedOf("6000", positionOf(rules, "BTC-PERP", "1", "50000", { leverage }));
      expect(withdrawable(pool, "USDT", r(amount), market, rules).allowed).toBe(allowed === "yes");
    });
  }

  test("COL-16 an isolated pool holds nothing but its settle asset", () => {
    const pool = isolatedOf("6000", positionOf(rules, "BTC-PERP", "1", "50000"));
    expect(withdrawable(pool, "BTC", r("0.1"), marketOf(rules, flat), rules).allowed).toBe(false);
  });
});
