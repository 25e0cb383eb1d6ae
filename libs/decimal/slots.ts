/** Owners are spread over this many slots, slots over shards; re-sharding moves slots. */
export const slotCount = 4096;

/** FNV-1a over the characters' codes (ids are ASCII), then the top bits folded in: the slot of an owner. */
export function slotOf(owner: string): number {
  let hash = 0x811c9dc5;
  for (let at = 0; at < owner.length; at += 1) hash = Math.imul(hash ^ owner.charCodeAt(at), 0x01000193);
  return ((hash >>> 12) ^ hash) & (slotCount - 1);
}
