import { describe, expect, test } from "vitest";
import { readScenario } from "#apps/cli/scenario.ts";
import { problemsIn, withValue } from "#test/support/door.ts";
import { table } from "#test/support/table.ts";

const values = table(`
  at                                  | to                          | path                                 | code
  rules/assets/0/quantum              | 1                           | $.rules.assets[0].quantum            | number_not_string
  rules/assets/0/quantum              | "1e-8"                      | $.rules.assets[0].quantum            | not_an_amount
  rules/assets/0/quantum              | "0"                         | $.rules.assets[0].quantum            | out_of_range
  rules/assets/0/quantum              | "-1"                        | $.rules.assets[0].quantum            | out_of_range
  rules/assets/0/quantum              | null                        | $.rules.assets[0].quantum            | wrong_type
  rules/assets/0/weight               | "1"                         | $.rules.assets[0].weight             | unknown_key
  rules/assets/1/id                   | (removed)                   | $.rules.assets[1].id                 | missing_key
  rules/assets/1/slices/0/upTo        | (removed)                   | $.rules.assets[1].slices[0].upTo     | missing_key
  rules/assets/1/slices/1             | {"upTo":"10","weight":"0"}  | $.rules.assets[1].slices[1].upTo     | not_ascending
  rules/assets/1/slices/1/weight      | "1.01"                      | $.rules.assets[1].slices[1].weight   | out_of_range
  rules/assets/1/slices               | []                          | $.rules.assets[1].slices             | too_few
  rules/assets/1/haircut              | {"base":"0","min":"0.2","max":"0.1"} | $.rules.assets[1].haircut.max | out_of_range
  rules/assets/1/haircut              | {}                          | $.rules.assets[1].haircut.base       | missing_key
  rules/assets/1/conversionOrder      | "2"                         | $.rules.assets[1].conversionOrder    | wrong_type
  rules/instruments/0/kind            | "option"                    | $.rules.instruments[0].kind          | not_permitted
  rules/instruments/0/base            | "US DT"                     | $.rules.instruments[0].base          | not_an_id
  rules/instruments/0/settle          | "EUR"                       | $.rules.instruments[0].settle        | unknown_asset
  rules/instruments/0/settle          | "BTC"                       | $.rules.instruments[0].settle        | own_underlying
  rules/instruments/0/index           | "USDT"                      | $.rules.instruments[0].settle        | own_underlying
  rules/instruments/1/settle          | "USDT"                      | $.rules.instruments[1].settle        | wrong_settle
  rules/instruments/0/lot             | "0"                         | $.rules.instruments[0].lot           | out_of_range
  rules/instruments/0/multiplier      | "0"                         | $.rules.instruments[0].multiplier    | out_of_range
  rules/instruments/0/tick            | "-0.1"                      | $.rules.instruments[0].tick          | out_of_range
  rules/instruments/0/takerFee        | "1"                         | $.rules.instruments[0].takerFee      | out_of_range
  rules/instruments/0/makerFee        | "-0.1"                      | $.rules.instruments[0].makerFee      | out_of_range
  rules/instruments/0/closeFeeInMargin | "false"                    | $.rules.instruments[0].closeFeeInMargin | wrong_type
  rules/instruments/0/expiry          | "1"                         | $.rules.instruments[0].expiry        | wrong_type
  rules/instruments/0/tiers/0/from    | "1"                         | $.rules.instruments[0].tiers[0].from | out_of_range
  rules/instruments/0/tiers/1/from    | "0"                         | $.rules.instruments[0].tiers[1].from | not_ascending
  rules/instruments/0/tiers/0/im      | "0.021"                     | $.rules.instruments[0].tiers[1].im   | not_ascending
  rules/instruments/0/tiers/1/mm      | "0.004"                     | $.rules.instruments[0].tiers[1].mm   | not_ascending
  rules/instruments/0/tiers/1/mm      | "0.021"                     | $.rules.instruments[0].tiers[1].mm   | out_of_range
  rules/instruments/0/tiers/1/im      | "1.01"                      | $.rules.instruments[0].tiers[1].im   | out_of_range
  rules/instruments/0/oiScaling       | {"lower":"1","upper":"1"}   | $.rules.instruments[0].oiScaling.upper | not_ascending
  rules/instruments/0/limits          | {"maxLong":"-1"}            | $.rules.instruments[0].limits.maxLong | out_of_range
  rules/liquidation                   | {"partialAt":"0.9"}         | $.rules.liquidation.partialAt        | out_of_range
  rules/liquidation                   | {"target":"1.04"}           | $.rules.liquidation.target           | out_of_range
  rules/liquidation                   | {"closeMin":"0.6"}          | $.rules.liquidation.closeMax         | out_of_range
  rules/liquidation                   | {"closeMax":"1.1"}          | $.rules.liquidation.closeMax         | out_of_range
  rules/liquidation                   | {"depthShare":"0"}          | $.rules.liquidation.depthShare       | out_of_range
  rules/warnings                      | ["1.5","1.5"]               | $.rules.warnings[1]                  | not_descending
  rules/warnings                      | ["1.05"]                    | $.rules.warnings[0]                  | out_of_range
  rules/fund                          | {"brake":{"drawdown":"0.2","until":"0.3"}} | $.rules.fund.brake.until | out_of_range
  rules/providers                     | [{"account":"p","capacity":"1"}] | $.rules.providers[0]            | ambiguous_provider
  rules/providers                     | [{"account":"p","capacity":"1","asset":"X"}] | $.rules.providers[0].asset | unknown_asset
  rules/providers                     | [{"account":"p","capacity":"1","instrument":"X"}] | $.rules.providers[0].instrument | unknown_instrument
  rules/providers                     | [{"account":"house","capacity":"1","asset":"BTC"}] | $.rules.providers[0].account | system_account
  rules/marks/sources/ETH             | {}                          | $.rules.marks.sources.ETH            | unknown_asset
  rules/marks/sources/BTC/kraken      | "0"                         | $.rules.marks.sources.BTC.kraken     | out_of_range
  rules/marks/sources/BTC/a b         | "1"                         | $.rules.marks.sources.BTC["a b"]     | not_an_id
  rules/marks/quorum                  | 0                           | $.rules.marks.quorum                 | out_of_range
  rules/breakers                      | {"priceMove":{"reduceOnlyAt":"0.3"}} | $.rules.breakers.priceMove.noNewOrdersAt | out_of_range
  rules/breakers                      | {"liquidationRate":{}}      | $.rules.breakers.liquidationRate.countMax | missing_key
  rules/entities/desk/accounts        | ["fees"]                    | $.rules.entities.desk.accounts[0]    | system_account
  rules/entities/other                | {"accounts":["dora"]}       | $.rules.entities.other.accounts[0]   | duplicate_id
  rules/limits                        | {"maxNetUsd":"-1"}          | $.rules.limits.maxNetUsd             | out_of_range
  rules/limits                        | {"dayLoss":"0"}             | $.rules.limits.dayLoss               | out_of_range
  rules/limits                        | {"maxCorrelation":"1.1"}    | $.rules.limits.maxCorrelation        | out_of_range
  rules/limits                        | {"maxOpenPositions":"3"}    | $.rules.limits.maxOpenPositions      | wrong_type
  rules/limits                        | {"maxNett":"1"}             | $.rules.limits.maxNett               | unknown_key
  rules/limits                        | {"velocity":[{"windowMs":30,"orders":1}]} | $.rules.limits.velocity[0].windowMs | out_of_range
  rules/limits                        | {"velocity":[{"windowMs":1000}]} | $.rules.limits.velocity[0].orders | missing_key
  rules/limits                        | {"velocity":[{"windowMs":20,"orders":1},{"windowMs":20,"valueUsd":"1"}]} | $.rules.limits.velocity[1].windowMs | duplicate_id
  rules/limits                        | {"velocity":[{"windowMs":20,"valueUsd":"-1"}]} | $.rules.limits.velocity[0].valueUsd | out_of_range
  rules/instruments/0/limits          | {"maxNetUsd":"1"}           | $.rules.instruments[0].limits.maxNetUsd | unknown_key
  rules/instruments/0/shorting        | "never"                     | $.rules.instruments[0].shorting      | not_permitted
  rules/tiers                         | {"vip":{"instruments":{"NONE":{}}}} | $.rules.tiers.vip.instruments.NONE | unknown_instrument
  rules/tiers                         | {"vip":{"restricted":["NONE"]}} | $.rules.tiers.vip.restricted[0]  | unknown_instrument
  rules/tiers                         | {"vip":{"profile":"fund"}}  | $.rules.tiers.vip.profile            | not_permitted
  rules/accounts                      | {"dora":{"tier":"vip"}}     | $.rules.accounts.dora.tier           | unknown_tier
  rules/accounts                      | {"dora":{"limits":{"maxLong":"-1"}}} | $.rules.accounts.dora.limits.maxLong | out_of_range
  rules/accounts                      | {"dora":{"keys":{"bot":{"limits":{"maxLong":"-1"}}}}} | $.rules.accounts.dora.keys.bot.limits.maxLong | out_of_range
  rules/accounts                      | {"house":{}}                | $.rules.accounts.house               | system_account
  rules/overrides                     | [{"level":"account","limit":"maxLong","value":"1","until":1,"reason":""}] | $.rules.overrides[0].of | missing_key
  rules/overrides                     | [{"level":"key","of":"bot","limit":"maxLong","value":"1","until":1,"reason":""}] | $.rules.overrides[0].account | missing_key
  rules/overrides                     | [{"level":"tier","of":"vip","limit":"maxLong","value":"1","until":1,"reason":""}] | $.rules.overrides[0].of | unknown_tier
  rules/overrides                     | [{"level":"entity","of":"none","limit":"maxLong","value":"1","until":1,"reason":""}] | $.rules.overrides[0].of | unknown_entity
  rules/overrides                     | [{"level":"instrument","of":"NONE","limit":"maxLong","value":"1","until":1,"reason":""}] | $.rules.overrides[0].of | unknown_instrument
  rules/overrides                     | [{"level":"account","of":"fees","limit":"maxLong","value":"1","until":1,"reason":""}] | $.rules.overrides[0].of | system_account
  rules/overrides                     | [{"level":"exchange","instrument":"NONE","limit":"maxLong","value":"1","until":1,"reason":""}] | $.rules.overrides[0].instrument | unknown_instrument
  rules/overrides                     | [{"level":"exchange","limit":"maxLong","value":"-1","until":1,"reason":""}] | $.rules.overrides[0].value | out_of_range
  rules/overrides                     | [{"level":"exchange","limit":"ordersPerDay","value":"1.5","until":1,"reason":""}] | $.rules.overrides[0].value | out_of_range
  rules/overrides                     | [{"level":"exchange","limit":"maxLength","value":"1","until":1,"reason":""}] | $.rules.overrides[0].limit | not_permitted
  rules/overrides                     | [{"level":"exchange","limit":"maxLong","value":"1","until":1,"reason":""},{"level":"exchange","limit":"maxLong","value":null,"until":2,"reason":""}] | $.rules.overrides[1] | duplicate_id
  rules/shadow                        | ["halted"]                  | $.rules.shadow[0]                    | unknown_check
  rules/locates                       | {"house":{}}                | $.rules.locates.house                | system_account
  rules/locates                       | {"dora":{"NONE":"1"}}       | $.rules.locates.dora.NONE            | unknown_instrument
  rules/locates                       | {"dora":{"BTC-PERP":"-1"}}  | $.rules.locates.dora["BTC-PERP"]     | out_of_range
  rules/liquidity                     | "deep"                      | $.rules.liquidity                    | not_permitted
  rules/funding                       | {"intervalMs":25200000}     | $.rules.funding.intervalMs           | out_of_range
  rules/funding                       | {"intervalMs":0}            | $.rules.funding.intervalMs           | out_of_range
  rules/funding                       | {"interest":"1.1"}          | $.rules.funding.interest             | out_of_range
  rules/instruments/0/funding         | {"rateMax":"0"}             | $.rules.instruments[0].funding.rateMax | out_of_range
  rules/instruments/0/funding         | {"intervalMs":59999}        | $.rules.instruments[0].funding.intervalMs | out_of_range
  rules/settlementMinutes             | 0                           | $.rules.settlementMinutes            | out_of_range
  rules/settlementBand                | "1.1"                       | $.rules.settlementBand               | out_of_range
  rules/settlementMinutes             | 1441                        | $.rules.settlementMinutes            | out_of_range
  rules/accountsPerEntryMax           | 0                           | $.rules.accountsPerEntryMax          | out_of_range
`);

describe("one wrong value in the rules", () => {
  for (const { at, to, path, code } of values) {
    test(`${at} as ${to} is refused as ${code}, and nothing else is`, () => {
      expect(problemsIn(withValue(at, to))).toEqual([[path, code]]);
    });
  }

  test("an id that stands twice is refused", () => {
    expect(problemsIn(withValue("rules/assets/2", '{"id":"USDT"}'))).toEqual([
      ["$.rules.assets[2].id", "duplicate_id"],
    ]);
    const twice = '{"id":"BTC-PERP","kind":"inverse","base":"BTC","quote":"USD","settle":"BTC"}';
    expect(problemsIn(withValue("rules/instruments/2", twice))).toEqual([
      ["$.rules.instruments[2].id", "duplicate_id"],
    ]);
  });
});

const permitted = table(`
  at                             | to                                                | because
  rules/assets/1/slices/1        | {"upTo":"10.5","weight":"1"}                      | nothing counts beyond the last end
  rules/assets/1/haircut         | {"base":"0.9","max":"0.3"}                        | the base is clamped
  rules/instruments/0/tiers/0    | {"from":"0","im":"0.005","mm":"0.005"}            | initial and maintenance may be one
  rules/instruments/0/takerFee   | "0.0005"                                          | a fee
  rules/instruments/0/maxLeverage | "0.5"                                            | less than once
  rules/liquidation              | {"partialAt":"1","fullAt":"1","target":"1","closeMin":"1","closeMax":"1"} | one threshold, whole closes
  rules/warnings                 | []                                                | no warnings
  rules/limits                   | {}                                                | nothing limited
  rules/breakers                 | {}                                                | nothing breaks
  rules/entities                 | {}                                                | no entities
  rules/providers                | []                                                | no providers
  rules/fund                     | {"brake":{}}                                      | the brake with its defaults
`);

describe("what the rules permit", () => {
  for (const { at, to, because } of permitted) {
    test(`${at} as ${to}: ${because}`, () => {
      expect(problemsIn(withValue(at, to))).toEqual([]);
    });
  }

  test("a maker's rebate is permitted up to the taker's fee", () => {
    const file = JSON.parse(withValue("rules/instruments/0/takerFee", '"0.001"')) as {
      rules: { instruments: object[] };
    };
    const rebate = (makerFee: string): string => {
      file.rules.instruments[0] = { ...file.rules.instruments[0], makerFee };
      return JSON.stringify(file);
    };
    expect(problemsIn(rebate("-0.001"))).toEqual([]);
    expect(problemsIn(rebate("-0.0011"))).toEqual([["$.rules.instruments[0].makerFee", "out_of_range"]]);
  });

  test("rules may be empty", () => {
    expect(problemsIn('{"rules":{},"entries":[{"t":0,"k":"time"}]}')).toEqual([]);
  });

  test("LIQ-10 a costly close is reported, not refused", () => {
    const reading = readScenario(withValue("rules/instruments/0/takerFee", '"0.0025"'));
    expect(reading.ok && reading.warnings.map(({ code }) => code)).toEqual(["closing_cost_too_high"]);
    const cheaper = readScenario(withValue("rules/instruments/0/takerFee", '"0.0024"'));
    expect(cheaper.ok && cheaper.warnings).toEqual([]);
  });
});
