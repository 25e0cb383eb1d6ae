import { expect } from "vitest";
import type { ApiExchange } from "./api-exchange.ts";
import { type Desk, stateOf } from "./api-desk.ts";
import { eventually } from "./live-shard.ts";

/** What the API of these tests is told: of BTC two in one command and three in a day, of an asset that nobody lists, of USDT more than dollars may move. */
export const assetCaps = {
  PLIMSOLL_COMMAND_ASSET_MAX: "BTC=2,USDT=100000000",
  PLIMSOLL_DAY_ASSET_MAX: "BTC=3,DOGE=1",
};

/** Up to a cap exactly, of a command at once and of a day when it is approved, whichever way it moves; no quantum more. */
export async function expectAssetCaps({ api }: ApiExchange, { command, approve }: Desk): Promise<void> {
  await eventually("the warning", () =>
    Promise.resolve(api.lines().some(({ level, assets }) => level === "warn" && String(assets) === "DOGE")),
  );
  const asked = async (amount: string) => command("adjust", "operator", { account: "zed", asset: "BTC", amount });
  const moved = async (amount: string) => approve((await asked(amount)).body, "officer");
  const refused = (value: string, bound: string) => ({
    status: 422,
    body: { error: { code: "cap_exceeded", problems: [{ path: "$.amount", code: "out_of_range", value, bound }] } },
  });
  expect(await asked("2.000000000000000001")).toMatchObject(refused("2.000000000000000001", "2"));
  expect(stateOf(await moved("2"))).toBe("applied");
  expect(await moved("-1.5")).toMatchObject(refused("3.5", "3"));
  expect(stateOf(await moved("-1"))).toBe("applied");
  expect(await moved("0.1")).toMatchObject(refused("3.1", "3"));
  const much = await command("fund", "operator", { fund: "house", asset: "USDT", amount: "10000001" });
  expect(much).toMatchObject(refused("10000001", "10000000"));
}
