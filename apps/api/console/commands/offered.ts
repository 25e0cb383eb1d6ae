import type { AccountsReply, RuleVersionReply, ShardsReply } from "#libs/contracts/api/replies.ts";
import type { Static } from "typebox";
import { useAnswer } from "../answers.ts";
import { useChannel } from "../live.ts";
import type { Suggested, Values } from "./fields.ts";

const accountsMax = 500;

/** Ids to choose from in a form, as far as they are known. */
export function useOffered(values: Values): Readonly<Record<Suggested, readonly string[]>> {
  const marks = useChannel("marks").value.data;
  const held = useChannel("positions", values["account"] ?? null).value.data;
  const accounts = useAnswer<Static<typeof AccountsReply>>("/v1/accounts", { limit: accountsMax }).data;
  const rules = useAnswer<Static<typeof RuleVersionReply>>("/v1/rules/current").data?.document as
    | Readonly<Record<string, object | undefined>>
    | undefined;
  const shards = useAnswer<Static<typeof ShardsReply>>("/v1/shards").data?.shards ?? {};
  const instrument = Object.keys(marks?.marks ?? {}).sort();
  const positions = Object.keys(held?.positions ?? {}).sort();
  return {
    asset: Object.keys(marks?.indices ?? {}).sort(),
    instrument,
    position: positions.length === 0 ? instrument : positions,
    account: accounts?.accounts.map(({ account }) => account) ?? [],
    entity: Object.keys(rules?.["entities"] ?? {}).sort(),
    tier: Object.keys(rules?.["tiers"] ?? {}).sort(),
    shard: Object.keys(shards).sort(),
  };
}
