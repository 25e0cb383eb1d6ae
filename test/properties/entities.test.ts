import fc from "fast-check";
import { expect, test } from "vitest";
import { evidenceKinds, type EvidenceRecord, type SeenFill } from "#libs/domain/entities/evidence.ts";
import { type Detection, detectEntities } from "#libs/domain/entities/proposals.ts";
import { Rational } from "#libs/decimal/index.ts";
import { propertyOptions } from "#test/support/property.ts";

const account = fc.constantFrom(..."a b c d e f g h".split(" "));
const record: fc.Arbitrary<EvidenceRecord> = fc.record({
  account,
  kind: fc.constantFrom(...evidenceKinds),
  hash: fc.constantFrom("v0", "v1", "v2", "v3", "v4"),
  from: fc.nat(9),
  until: fc.integer({ min: 10, max: 20 }),
});
const fill: fc.Arbitrary<SeenFill> = fc.record({
  account,
  instrument: fc.constantFrom("X", "Y"),
  side: fc.constantFrom("buy" as const, "sell" as const),
  qty: fc.constantFrom("1", "2"),
  t: fc.integer({ min: 0, max: 20 }).map((second) => second * 500),
});
const records = fc.array(record, { maxLength: 40 });
const fills = fc.array(fill, { maxLength: 120 });

/** The score of the link between two accounts; zero where they are not linked. */
function between({ proposals }: Detection, one: string, other: string): Rational {
  const links = proposals.flatMap((proposal) => proposal.links);
  const link = links.find(({ accounts }) => accounts.includes(one) && accounts.includes(other));
  return link?.score ?? Rational.zero;
}

const plain = (detection: Detection): string =>
  JSON.stringify(detection, (_key, value: unknown) => (value instanceof Rational ? value.toStringDown(18) : value));

test("LIM-41 the score of two accounts never falls with more that they alone share, and never reaches one", () => {
  fc.assert(
    fc.property(records, fills, fc.constantFrom(...evidenceKinds), (known, trades, kind) => {
      const more = ["a", "b"].map((one) => ({ account: one, kind, hash: "theirs alone", from: 0, until: 1 }));
      const before = between(detectEntities(known, trades), "a", "b");
      const after = between(detectEntities([...known, ...more], trades), "a", "b");
      expect(after.atLeast(before)).toBe(true);
      expect(after.below(Rational.one)).toBe(true);
    }),
    propertyOptions(),
  );
});

test("LIM-42 nor with more trades of theirs against each other", () => {
  fc.assert(
    fc.property(records, fills, fc.nat(20), (known, trades, t) => {
      const more: SeenFill[] = [
        { account: "a", instrument: "Z", side: "buy", qty: "1", t },
        { account: "b", instrument: "Z", side: "sell", qty: "1", t },
      ];
      const before = between(detectEntities(known, trades), "a", "b");
      const after = between(detectEntities(known, [...trades, ...more]), "a", "b");
      expect(after.atLeast(before)).toBe(true);
    }),
    propertyOptions(),
  );
});

test("LIM-43 the answer is of the records, not of their order, and no account is in two proposals", () => {
  fc.assert(
    fc.property(records, fills, (known, trades) => {
      const found = detectEntities(known, trades);
      expect(plain(detectEntities(known.toReversed(), trades.toReversed()))).toBe(plain(found));
      const accounts = found.proposals.flatMap((one) => one.accounts);
      expect(new Set(accounts).size).toBe(accounts.length);
    }),
    propertyOptions(),
  );
});
