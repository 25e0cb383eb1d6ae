import { slotCount, slotOf } from "#libs/decimal/index.ts";

export { slotCount, slotOf } from "#libs/decimal/index.ts";

/** `shards` in the order of the deployment's list; each holds an equal run of slots. */
export function shardOf(owner: string, shards: readonly string[]): string {
  return shards[Math.floor((slotOf(owner) * shards.length) / slotCount)] as string;
}
