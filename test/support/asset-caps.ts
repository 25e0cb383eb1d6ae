import { expect } from "vitest";
import { type Desk, stateOf } from "./api-desk.ts";

/** What the API of these tests is told: of BTC two in one command and three in a day, of USDT more than dollars may move. */
export const assetCaps = {
  PLIMSOLL_COMMAND_ASSET_MAX: "BTC=2,USDT=100000000",
  PLIMSOLL_DAY_ASSET_MAX: "BTC=3",
};

/** Up to a cap exactly, of a command and then of a day, whichever way it moves; no quantum more. */
export async function expectAssetCaps({ command, approve }: Desk): Promise<void> {
  const moved = async (amount: string) =>
    approve((await command("adjust", "operator", { account: "zed", asset: "BTC", amount })).body, "officer");
  const refused = (value: string, bound: string) => ({
    status: 422,
    body: { error: { code: "cap_exceeded", problems: [{ path: "$.amount", code: "out_of_range", value, bound }] } },
  });
  expect(await moved("2.000000000000000001")).toMatchObject(refused("2.000000000000000001", "2"));
  expect(stateOf(await moved("2"))).toBe("applied");
  expect(await moved("-1.5")).toMatchObject(refused("3.5", "3"));
  expect(stateOf(await moved("-1"))).toBe("applied");
  expect(await moved("0.1")).toMatchObject(refused("3.1", "3"));
  const much = await command("fund", "operator", { fund: "house", asset: "USDT", amount: "10000001" });
  expect(await approve(much.body, "officer")).toMatchObject(refused("10000001", "10000000"));
}
