import fc from "fast-check";
import { expect, test } from "vitest";
import { Owed, type Owing, urgency } from "#apps/streams/owed.ts";
import { Ration } from "#apps/streams/ration.ts";
import { propertyOptions } from "#test/support/property.ts";

interface One extends Owing {
  readonly name: number;
  /** Of the model: when it came to be owed what it is owed. */
  since: number;
}

const step = fc.record({
  op: fc.constantFrom("owe", "tell", "late"),
  name: fc.nat(5),
  why: fc.constantFrom(urgency.late, urgency.moved, urgency.happened),
  ms: fc.nat(5),
});

/** Whom a plain look at everybody finds. */
function expected(all: readonly One[]): One | null {
  const owed = all.filter((one) => one.owed > urgency.none);
  owed.sort((left, right) => right.owed - left.owed || left.since - right.since);
  return owed[0] ?? null;
}

test("whoever is the most urgent is told next, and of equals whoever has waited longest, as a look at everybody finds it", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const owed = new Owed<One>();
      const all = Array.from({ length: 6 }, (_, name): One => ({
        name,
        owed: urgency.none,
        turn: 0,
        toldAt: 0,
        since: 0,
      }));
      let [now, turns] = [0, 0];
      for (const one of all) owed.tell(one, now);
      for (const { op, name, why, ms } of steps) {
        now += ms;
        turns += 1;
        const one = all[name] as One;
        const before = all.map((each) => each.owed);
        if (op === "owe") owed.owe(one, why);
        else if (op === "tell") owed.tell(one, now);
        else owed.oweLate(now - 4);
        // Those that are late at the same moment were told one after another.
        if (op === "late")
          for (const each of all)
            expect(each.owed).toBe(Math.max(before[each.name] as number, each.toldAt <= now - 4 ? urgency.late : 0));
        for (const each of all)
          if (each.owed > (before[each.name] as number))
            each.since = turns + (op === "late" ? each.toldAt / 1_000_000 : 0);
        const next = owed.next;
        const wanted = expected(all);
        if (op === "late") expect(next?.owed).toBe(wanted?.owed);
        else expect([next?.owed, next?.since]).toEqual([wanted?.owed, wanted?.since]);
      }
    }),
    propertyOptions({ numRuns: 1_000 }),
  );
});

test("of those that are late no more are owed than is asked for, the ones that have waited longest", () => {
  const owed = new Owed<One>();
  const all = Array.from({ length: 6 }, (_, name): One => ({ name, owed: urgency.none, turn: 0, toldAt: 0, since: 0 }));
  for (const one of all) owed.tell(one, one.name);
  owed.owe(all[0] as One, urgency.moved);
  owed.oweLate(4, 2);
  expect(all.map((one) => one.owed)).toEqual([urgency.moved, urgency.late, urgency.late, 0, 0, 0]);
  owed.oweLate(4, 2);
  expect(all.map((one) => one.owed)).toEqual([urgency.moved, 1, 1, urgency.late, urgency.late, 0]);
});

test("work under a ration takes no more than its share of the time", () => {
  let now = 0;
  const ration = new Ration(() => now, 4);
  let worked = 0;
  for (; now < 1_000; now += 1)
    if (ration.open)
      ration.spend(() => {
        worked += 3;
        now += 3;
      });
  expect(worked).toBeGreaterThan(150);
  expect(worked).toBeLessThanOrEqual(1_000 / 5 + 3);
});
