import { describe, expect, test } from "vitest";
import { readScenario } from "#apps/cli/scenario.ts";
import { problemCodes } from "#libs/contracts/problems.ts";
import { RuleSchema } from "#libs/contracts/rule-schema.ts";
import { askSchemas, entrySchemas } from "#libs/contracts/scenario-schema.ts";
import { readText } from "#test/support/source.ts";
import { table } from "#test/support/table.ts";

/** Every configurable constant of the rule book, the key that sets it, and a value that is permitted there. */
const constants = table(`
  chapter     | constant                                           | key                                  | value
  instruments | max leverage                                       | instruments[].maxLeverage            | "20"
  instruments | maker fee                                          | instruments[].makerFee               | "0.0002"
  instruments | taker fee                                          | instruments[].takerFee               | "0.0005"
  instruments | price band                                         | instruments[].priceBand              | "0.05"
  tiers       | floors and rates                                   | instruments[].tiers                  | [{"from":"0","im":"0.1","mm":"0.05"}]
  tiers       | how they are read                                  | instruments[].tierMode               | "whole"
  tiers       | where they are read                                | instruments[].notional               | "entry"
  tiers       | size premium                                       | instruments[].sizePremium            | {"shape":"sqrt","k":"0.00001"}
  tiers       | open-interest scaling                              | instruments[].oiScaling              | {"lower":"1","upper":"2"}
  tiers       | closing-fee reserve                                | instruments[].closeFeeInMargin       | true
  collateral  | slices                                             | assets[].slices                      | [{"upTo":"1","weight":"0.9"},{"weight":"0.8"}]
  collateral  | initial slices                                     | assets[].initialSlices               | [{"weight":"0.8"}]
  collateral  | size curve                                         | assets[].sizeCurve                   | "0.0001"
  collateral  | cap per account                                    | assets[].cap                         | "50000000"
  collateral  | liability premium                                  | assets[].liabilityPremium            | "0.05"
  collateral  | start of platform scaling                          | assets[].platformStart               | "900000000"
  collateral  | weight of unrealised profit                        | profitWeight                         | {"weight":"0.9","k":"0.001"}
  haircuts    | base, bounds, k and horizon                        | assets[].haircut                     | {"base":"0.05","min":"0.05","max":"0.3","k":"2.33","horizonMinutes":"120"}
  haircuts    | fall of the initial haircut                        | assets[].haircut                     | {"base":"0.05","decayPerHour":"0.02"}
  haircuts    | step of the maintenance haircut                    | assets[].haircut                     | {"base":"0.05","maintenanceStepPerHour":"0.01"}
  collateral  | share of notional behind a withdrawal              | withdrawFloor                        | "0.1"
  conversion  | share of equity that starts one                    | convertAt                            | "0.85"
  conversion  | order of assets                                    | assets[].conversionOrder             | 2
  conversion  | fee                                                | assets[].conversionFee               | "0.001"
  conversion  | cap of the house's holding                         | assets[].conversionCap               | "10000000"
  conversion  | concentration limit                                | assets[].concentration               | "0.5"
  limits      | position                                           | limits.maxPosition                   | "100"
  limits      | position, long                                     | limits.maxLong                       | "100"
  limits      | position, short                                    | limits.maxShort                      | "100"
  limits      | order size                                         | limits.maxOrderQty                   | "10"
  limits      | open interest                                      | limits.maxOpenInterest               | "1000"
  limits      | share of open interest                             | limits.maxOpenInterestShare          | "0.2"
  limits      | share of 24 h volume                               | limits.maxVolumeShare                | "0.1"
  limits      | share of depth                                     | limits.maxDepthShare                 | "0.5"
  limits      | position over equity                               | limits.maxPositionShare              | "0.1"
  limits      | leverage of an instrument                          | limits.maxInstrumentLeverage         | "20"
  limits      | slippage of a fill                                 | limits.maxSlippage                   | "0.01"
  limits      | account leverage cap                               | limits.maxLeverage                   | "10"
  limits      | total notional                                     | limits.maxNotionalUsd                | "1000000"
  limits      | gross notional                                     | limits.maxGrossUsd                   | "1000000"
  limits      | net notional                                       | limits.maxNetUsd                     | "1000000"
  limits      | delta                                              | limits.maxDeltaUsd                   | "1000000"
  limits      | open positions                                     | limits.maxOpenPositions              | 10
  limits      | exposure over equity                               | limits.maxExposure                   | "0.8"
  limits      | sector over equity                                 | limits.maxSectorShare                | "0.3"
  limits      | counterparty                                       | limits.maxCounterpartyUsd            | "1000000"
  limits      | venue                                              | limits.maxVenueUsd                   | "1000000"
  limits      | risk to stop                                       | limits.maxRiskShare                  | "0.02"
  limits      | risk to stops together                             | limits.maxRiskSumShare               | "0.06"
  limits      | correlation                                        | limits.maxCorrelation                | "0.8"
  limits      | loss of a day                                      | limits.dayLoss                       | "0.03"
  limits      | loss of a week                                     | limits.weekLoss                      | "0.08"
  limits      | fall from the peak                                 | limits.drawdown                      | "0.2"
  limits      | orders of a day                                    | limits.ordersPerDay                  | 1000
  limits      | trades of a day                                    | limits.tradesPerDay                  | 20
  limits      | velocity                                           | limits.velocity                      | [{"windowMs":1000,"orders":10,"valueUsd":"1000000"}]
  limits      | of an instrument                                   | instruments[].limits                 | {"maxPosition":"100","maxDepthShare":"1"}
  limits      | sector of an instrument                            | instruments[].sector                 | "layer-1"
  limits      | where contracts stand                              | instruments[].counterparty           | "broker"
  limits      | and at which venue                                 | instruments[].venue                  | "here"
  limits      | short selling                                      | instruments[].shorting               | "locate"
  limits      | tiers of clients                                   | tiers                                | {"vip":{"limits":{"maxPosition":"1"},"instruments":{"X":{"maxLong":"1"}},"restricted":["X"],"profile":"desk"}}
  limits      | owners                                             | entities                             | {"desk":{"accounts":["alice"],"profile":"desk","limits":{"maxNetUsd":"1"},"instruments":{"X":{"maxLong":"1"}},"restricted":["X"]}}
  limits      | accounts and API keys                              | accounts                             | {"alice":{"profile":"exchange","counterparty":"broker","venue":"there","limits":{"maxNetUsd":"1"},"keys":{"bot":{"limits":{"ordersPerDay":5}}}}}
  limits      | profile                                            | profile                              | "exchange"
  limits      | overrides                                          | overrides                            | [{"level":"account","of":"alice","limit":"maxPosition","value":null,"until":1,"reason":"agreed"}]
  limits      | checks in shadow                                   | shadow                               | ["exposure","velocity_orders"]
  limits      | locates                                            | locates                              | {"alice":{"X":"5"}}
  health      | partial intervention                               | liquidation.partialAt                | "1.05"
  health      | full intervention                                  | liquidation.fullAt                   | "1"
  health      | warnings                                           | warnings                             | ["1.5","1.25"]
  health      | re-arming of warnings                              | warningRearm                         | "0.02"
  liquidation | smallest share of a partial close                  | liquidation.closeMin                 | "0.25"
  liquidation | largest share                                      | liquidation.closeMax                 | "0.5"
  liquidation | target                                             | liquidation.target                   | "1.2"
  liquidation | expected slippage                                  | liquidation.expectedSlippage         | "0.0005"
  liquidation | max slippage                                       | liquidation.maxSlippage              | "0.001"
  liquidation | share of depth                                     | liquidation.depthShare               | "0.25"
  liquidation | backup providers                                   | providers                            | [{"account":"lp","instrument":"X","capacity":"50","discount":"0.005"}]
  liquidation | fund cap per saga                                  | fund.eventCap                        | "1000000"
  liquidation | drawdown brake                                     | fund.brake                           | {"drawdown":"0.3","until":"0.25","hours":"8"}
  liquidation | fee                                                | instruments[].liquidationFee         | "0.005"
  liquidation | share of trading fees                              | fund.tradingFeeShare                 | "0.1"
  adl         | policy                                             | instruments[].adlPolicy              | "hedge-aware-pro-rata"
  marks       | sources                                            | marks.sources                        | {"A":{"kraken":"1","coinbase":"2"}}
  marks       | outlier                                            | marks.outlier                        | "0.05"
  marks       | age                                                | marks.staleMs                        | 10000
  marks       | quorum                                             | marks.quorum                         | 2
  marks       | basis average                                      | marks.basisEmaMs                     | 60000
  marks       | basis bound                                        | marks.basisMax                       | "0.01"
  marks       | step                                               | marks.stepMax                        | "0.1"
  marks       | sources that agree on redemption                   | marks.redemption                     | {"A":{"value":"1","sources":2}}
  quality     | confirmation of stale prices                       | liquidation.staleConfirmMs           | 5000
  quality     | grace of disputed collateral                       | liquidation.disputedGraceMs          | 60000
  breakers    | wait for depth                                     | liquidation.cancelAllWaitMs          | 30000
  breakers    | price move                                         | breakers.priceMove                   | {"windowMs":60000,"reduceOnlyAt":"0.1","noNewOrdersAt":"0.2"}
  breakers    | price quality                                      | breakers.stalePrice                  | {"state":"no_new_orders"}
  breakers    | fund drawdown                                      | breakers.fundDrawdown                | {"at":"0.3","state":"reduce_only"}
  breakers    | liquidation rate                                   | breakers.liquidationRate             | {"windowMs":60000,"countMax":100,"state":"reduce_only"}
  breakers    | lag                                                | breakers.lag                         | {"commitMs":600,"engineMs":900,"state":"reduce_only"}
  breakers    | failing dependencies                               | breakers.dependencyErrors            | {"share":"0.5","state":"reduce_only"}
  breakers    | limits found breached                              | breakers.limitBreach                 | {"state":"reduce_only"}
  breakers    | emergencies                                        | emergencies                          | [{"marginFactor":"1.5","partialAt":"1.06","until":1,"reason":"storm"}]
  breakers    | expiry                                             | breakers.expiryMs                    | 300000
  breakers    | re-opening                                         | breakers.reopenStepMs                | 30000
  owners      | entities                                           | entities                             | {"desk":{"accounts":["alice","bob"]}}
  funding     | interval                                           | funding.intervalMs                   | 3600000
  funding     | interest                                           | funding.interest                     | "0.0001"
  funding     | clamp                                              | funding.rateMax                      | "0.0075"
  funding     | of an instrument                                   | instruments[].funding                | {"intervalMs":14400000,"interest":"0","rateMax":"0.02"}
  expiry      | settlement window                                  | settlementMinutes                    | 30
  expiry      | an operator's settlement price                     | settlementBand                       | "0.1"
  expiry      | accounts per entry                                 | accountsPerEntryMax                  | 1000
  scenario    | where closing orders fill                          | liquidity                            | "depth"
`);

type Plain = Record<string, unknown>;

/** Rules that hold nothing but what is required and the value at `key`. */
function rulesWith(key: string, value: unknown): Plain {
  const rules: Plain = {
    assets: [{ id: "A" }, { id: "U" }],
    instruments: [{ id: "X", kind: "linear", base: "A", quote: "U", settle: "U", takerFee: "0" }],
  };
  const steps = key.split(".");
  const last = steps.pop() ?? "";
  const holder = steps.reduce<Plain>((plain, step) => {
    const name = step.replace("[]", "");
    plain[name] ??= {};
    return (step.endsWith("[]") ? (plain[name] as Plain[])[0] : plain[name]) as Plain;
  }, rules);
  holder[last] = value;
  return rules;
}

describe("every constant of the rule book has a key", () => {
  for (const { chapter, constant, key, value } of constants) {
    test(`${chapter}: ${constant} is ${key}, for example ${value}`, () => {
      const rules = rulesWith(key, JSON.parse(value));
      expect(readScenario(JSON.stringify({ rules, entries: [] }))).toMatchObject({ ok: true });
    });
  }
});

interface Node {
  readonly title?: string;
  readonly properties?: Readonly<Record<string, Node>>;
  readonly patternProperties?: Readonly<Record<string, Node>>;
  readonly items?: Node;
}

/** Every key of a schema that holds a single value, as documented: `assets[].slices[].upTo`, `marks.sources{}{}`. */
function keysOf(node: Node, path: string): string[] {
  // Every level takes the same limits, which are documented once.
  if (node.title === "limits" && path !== "limits") return [path];
  if (node.items !== undefined) return keysOf(node.items, `${path}[]`);
  const shared = Object.values(node.patternProperties ?? {})[0];
  if (shared !== undefined) return keysOf(shared, `${path}{}`);
  if (node.properties === undefined) return [path];
  const prefix = path === "" ? "" : `${path}.`;
  return Object.entries(node.properties).flatMap(([key, inner]) => keysOf(inner, `${prefix}${key}`));
}

const guide = readText("docs/scenario.md");
const keys = keysOf(RuleSchema as Node, "");

/** The names in the first column of the tables of one chapter. */
function firstColumn(heading: string, untilHeading: string): string[] {
  const start = guide.indexOf(`\n## ${heading}\n`);
  const end = untilHeading === "" ? guide.length : guide.indexOf(`\n## ${untilHeading}\n`);
  const rows = guide.slice(start, end).matchAll(/^\| (`[^|]+`) \|/gm);
  return [...rows].flatMap(([, cell]) => [...(cell ?? "").matchAll(/`([^`]+)`/g)].map(([, name]) => name ?? ""));
}

test("the guide documents every key of the rules, and no other", () => {
  expect(keys.length).toBeGreaterThan(80);
  expect(firstColumn("Rules", "Entries").sort()).toEqual([...keys].sort());
});

test("the guide documents every kind of entry, and no other", () => {
  expect(firstColumn("Entries", "Result").sort()).toEqual([...Object.keys(entrySchemas), "ask"].sort());
  for (const question of Object.keys(askSchemas))
    expect(guide).toContain(`\`${question}\` (`.replace("`exchange` (", "`exchange`"));
});

test("the guide explains every code of a problem, and no other", () => {
  expect(firstColumn("Problems", "").sort()).toEqual(Object.keys(problemCodes).sort());
});

test("every key of the rules belongs to a constant, or names something", () => {
  const covered = (key: string): boolean =>
    constants.some(
      (one) =>
        key === one.key ||
        key.startsWith(`${one.key}.`) ||
        key.startsWith(`${one.key}[`) ||
        key.startsWith(`${one.key}{`),
    );
  const names = [
    "id",
    "kind",
    "base",
    "quote",
    "settle",
    "index",
    "multiplier",
    "tick",
    "lot",
    "minNotional",
    "expiry",
    "quantum",
  ];
  expect(
    keys.filter((key) => !covered(key) && !names.includes(key.replace(/^(assets|instruments)\[\]\./, ""))),
  ).toEqual([]);
});

test("the guide's example runs through the door", () => {
  const [, example = ""] = /```json\n([\s\S]*?)```/.exec(guide) ?? [];
  expect(readScenario(example)).toMatchObject({ ok: true, warnings: [] });
});
