/**
 * The most of `lots` lots for which `holds` is true, where it is true for fewer lots whenever it is true for more (and is never
 * asked about none). O(log lots) questions.
 */
export function mostLots(lots: bigint, holds: (lots: bigint) => boolean): bigint {
  if (lots <= 0n) return 0n;
  if (holds(lots)) return lots;
  let good = 0n;
  let bad = lots;
  while (bad - good > 1n) {
    const middle = (good + bad) >> 1n;
    if (holds(middle)) good = middle;
    else bad = middle;
  }
  return good;
}
