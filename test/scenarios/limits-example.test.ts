import { expect, test } from "vitest";
import { readScenario } from "#apps/cli/scenario.ts";
import { runScenario } from "#libs/simulation/scenario.ts";
import { readText } from "#test/support/source.ts";
import { table } from "#test/support/table.ts";

const reading = readScenario(readText("docs/examples/limits.json"));
if (!reading.ok) throw new Error("the example is refused");
const { facts } = runScenario(reading.scenario);

const orders = table(`
  rule   | order | codes                     | level                | because
  LIM-01 | a-1   | -                         | -                    | six of ten contracts
  LIM-02 | b-1   | net_limit                 | entity fund          | both accounts of the fund together
  LIM-01 | a-2   | order_size                | key bot              | the key may place one contract at a time
  LIM-18 | a-3   | locate                    | -                    | a hundred have been located
  ORD-07 | c-1   | leverage                  | tier new             | five times 10,000
  LIM-06 | d-1   | position_share            | profile desk         | a tenth of equity
  LIM-06 | d-2   | -                         | -                    | 1,000 to the stop are one percent
  LIM-07 | b-2   | position_limit, net_limit | instrument BTC-PERP  | the override has ended
`);
for (const { rule, order, codes, level, because } of orders)
  test(`${rule} docs/examples/limits.json, ${order}: ${because}`, () => {
    const said = facts.find((one) => one["id"] === order && one.fact !== "order.cancelled");
    const found = (said?.["codes"] ?? []) as string[];
    expect(said?.fact).toBe(codes === "-" ? "order.accepted" : "order.rejected");
    expect(found.join(", ") || "-").toBe(codes);
    if (codes === "-") return;
    const numbers = said?.["numbers"] as Record<string, { level?: string }>;
    expect(numbers[found[0] ?? ""]?.level ?? "-").toBe(level);
  });
