import { Rational } from "#libs/decimal/index.ts";
import { byText, type DetectionRules, type EvidenceRecord } from "./evidence.ts";
import type { Pairs } from "./pairs.ts";

/** One value with everybody who was seen with it, by account id. */
interface Shared {
  readonly key: string;
  readonly holders: readonly EvidenceRecord[];
}

/**
 * LIM-41: each two accounts that share a value have a reason, of the kind's weight over one less than how many share it; what more than
 * `commonAbove` share is nobody's. The rarest values come first.
 */
export function pairByValues(records: readonly EvidenceRecord[], rules: DetectionRules, pairs: Pairs): void {
  for (const { holders } of sharedValues(records, rules.commonAbove)) {
    const sharedBy = holders.length;
    for (const [at, one] of holders.entries())
      for (const other of holders.slice(at + 1)) {
        const { kind, hash } = one;
        const weight = rules.weights[kind].dividedBy(Rational.ofInteger(sharedBy - 1));
        // Both have been seen with it from the later of their first times on.
        const [from, until] = [Math.max(one.from, other.from), Math.max(one.until, other.until)];
        pairs.add(one.account, other.account, { kind, hash, sharedBy, from, until, weight });
      }
  }
}

function sharedValues(records: readonly EvidenceRecord[], commonAbove: number): Shared[] {
  const byValue = new Map<string, Map<string, EvidenceRecord>>();
  for (const record of records) {
    const key = `${record.kind} ${record.hash}`;
    const holders = byValue.get(key) ?? new Map<string, EvidenceRecord>();
    byValue.set(key, holders.set(record.account, merged(holders.get(record.account), record)));
  }
  const shared: Shared[] = [];
  for (const [key, holders] of byValue)
    if (holders.size > 1 && holders.size <= commonAbove)
      shared.push({ key, holders: [...holders.values()].sort((left, right) => byText(left.account, right.account)) });
  return shared.sort((left, right) => left.holders.length - right.holders.length || byText(left.key, right.key));
}

function merged(before: EvidenceRecord | undefined, record: EvidenceRecord): EvidenceRecord {
  if (before === undefined) return record;
  return { ...record, from: Math.min(before.from, record.from), until: Math.max(before.until, record.until) };
}
