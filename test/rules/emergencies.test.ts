import { describe, expect, test } from "vitest";
import { compileRules } from "#libs/domain/rule-set/compile.ts";
import type { EmergencyDocument, RuleDocument } from "#libs/domain/rule-set/documents.ts";
import { perpetual, rules } from "#test/support/exchange.ts";
import { LiveLog } from "#test/support/live-run.ts";
import { table } from "#test/support/table.ts";

const until = 5_000;
const tiers = [
  { from: "0", im: "0.02", mm: "0.01" },
  { from: "1000000", im: "0.6", mm: "0.3" },
];
const instruments = [perpetual({ tiers }), perpetual({ id: "Y", tiers })];
const document = (...emergencies: Omit<EmergencyDocument, "reason">[]): RuleDocument => ({
  ...rules({ instruments }),
  emergencies: emergencies.map((one) => ({ ...one, reason: "storm" })),
});

/** Rates of both tiers of an instrument, and the thresholds, at a time. */
function inForce(of: RuleDocument, instrument: string, t: number): string {
  const { rules: compiled, problems } = compileRules(of, 1, t);
  expect(problems).toEqual([]);
  const rates = compiled.instruments
    .get(instrument)
    ?.tiers.map(({ im, mm }) => `${im.toStringUp()}/${mm.toStringUp()}`);
  const { partialAt, fullAt, target } = compiled.liquidation;
  return [...(rates ?? []), partialAt.toStringDown(), fullAt.toStringDown(), target.toStringDown()].join(" ");
}

const asWritten = "0.02/0.01 0.6/0.3 1.05 1 1.1";

describe("emergencies", () => {
  for (const { rule, emergency, instrument, t, found } of table(`
    rule   | emergency                                             | instrument | t    | found
    BRK-24 | {"marginFactor":"1.5","until":5000}                   | X          | 4999 | 0.03/0.015 0.9/0.45 1.05 1 1.1
    BRK-24 | {"marginFactor":"1.5","until":5000}                   | X          | 5000 | ${asWritten}
    BRK-24 | {"marginFactor":"3","until":5000}                     | X          | 0    | 0.06/0.03 1/0.9 1.05 1 1.1
    BRK-24 | {"marginFactor":"1.5","instrument":"Y","until":5000}  | X          | 0    | ${asWritten}
    BRK-24 | {"marginFactor":"1.5","instrument":"Y","until":5000}  | Y          | 0    | 0.03/0.015 0.9/0.45 1.05 1 1.1
    BRK-24 | {"partialAt":"1.2","until":5000}                      | X          | 0    | 0.02/0.01 0.6/0.3 1.2 1 1.25
    BRK-24 | {"partialAt":"1.02","until":5000}                     | X          | 0    | ${asWritten}
    BRK-24 | {"fullAt":"1.03","until":5000}                        | X          | 0    | 0.02/0.01 0.6/0.3 1.05 1.03 1.1
  `))
    test(`${rule} ${emergency} at ${t} makes of ${instrument}: ${found}`, () => {
      expect(inForce(document(JSON.parse(emergency) as EmergencyDocument), instrument, Number(t))).toBe(found);
    });

  test("BRK-24 of several the strictest holds, and what is known of no time is as it is written", () => {
    const both = document({ marginFactor: "1.2", until }, { marginFactor: "1.5", until: 3_000 });
    expect(inForce(both, "X", 2_999)).toBe("0.03/0.015 0.9/0.45 1.05 1 1.1");
    expect(inForce(both, "X", 3_000)).toBe("0.024/0.012 0.72/0.36 1.05 1 1.1");
    expect(compileRules(both, 1).rules.instruments.get("X")?.tiers[0]?.im.toStringUp()).toBe("0.02");
  });

  for (const { emergency, path, code } of table(`
    emergency                                               | path                            | code
    {"until":5000}                                          | $.rules.emergencies[0]              | missing_key
    {"marginFactor":"0.9","until":5000}                     | $.rules.emergencies[0].marginFactor | out_of_range
    {"marginFactor":"10.1","until":5000}                    | $.rules.emergencies[0].marginFactor | out_of_range
    {"marginFactor":"2","instrument":"Z","until":5000}      | $.rules.emergencies[0].instrument   | unknown_instrument
    {"partialAt":"1.2","instrument":"X","until":5000}       | $.rules.emergencies[0].instrument   | not_changeable
    {"fullAt":"1.2","until":5000}                           | $.rules.liquidation.partialAt       | out_of_range
  `))
    test(`BRK-24 ${emergency} is refused: ${code}`, () => {
      const { problems } = compileRules(document(JSON.parse(emergency) as EmergencyDocument), 1);
      expect(problems.map((one) => `${one.path} ${one.code}`)).toContain(`${path} ${code}`);
    });

  test("BRK-24 INV-08 they liquidate who would not be, end by the log's clock, and a restart in between changes nothing", () => {
    const live = new LiveLog(rules({ instruments }));
    const twin = new LiveLog(rules({ instruments }));
    const tell = (t: number, ...bodies: Parameters<LiveLog["apply"]>[0][]): void => {
      for (const one of [live, twin]) {
        one.t = t;
        for (const body of bodies) one.apply(body);
      }
    };
    const mark = { k: "frame", index: { USDT: "1", BTC: "100" }, mark: { X: "100", Y: "100" } } as const;
    const cash = (account: string, amount: string) => ({ k: "cash", account, asset: "USDT", amount }) as const;
    tell(0, mark, cash("a", "30"), cash("b", "10000"));
    for (const one of [live, twin]) one.trade("t1", "a", "b", "10", "100");
    // 30 against 1 % of 1,000; a factor of 2.9 asks for 29, and 1.05 times that is more than there is.
    tell(1_000, mark);
    expect(live.of("liquidation.started")).toEqual([]);
    tell(2_000, { k: "rules", document: document({ marginFactor: "2.9", until }) });
    expect(live.of("liquidation.started")).toMatchObject([{ account: "a" }]);
    live.restart();
    tell(4_999, mark);
    expect(live.of("emergency.ended")).toEqual([]);
    tell(until, mark);
    expect(live.of("emergency.ended")).toMatchObject([{ instrument: null, reason: "storm", until }]);
    expect(live.engine.account("a").mm).toBe("10");
    expect(live.engine.machine.rules.version).toBe(2);
    expect([live.broken(), live.engine.stateHash()]).toEqual([[], twin.engine.stateHash()]);
  });
});
