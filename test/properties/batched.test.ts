import fc from "fast-check";
import { expect, test } from "vitest";
import { Batched } from "#libs/process/batched.ts";
import { propertyOptions } from "#test/support/property.ts";

const ids = fc.array(fc.constantFrom("a", "b", "c", "d", "gone"), { maxLength: 12 });

test("everybody is answered what is so at or after the asking, in as few questions of a bounded size as that takes", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(ids, { maxLength: 6 }), fc.integer({ min: 1, max: 4 }), async (turns, most) => {
      let clock = 0;
      const asked: number[] = [];
      const batched = new Batched(async (wanted) => {
        expect(wanted.length).toBeLessThanOrEqual(most);
        expect(new Set(wanted).size).toBe(wanted.length);
        asked.push(wanted.length);
        const at = (clock += 1);
        await Promise.resolve();
        return new Map(wanted.filter((id) => id !== "gone").map((id) => [id, { id, at }]));
      }, most);
      const answers: Promise<void>[] = [];
      for (const turn of turns) {
        for (const id of turn) {
          const before = clock;
          const check = async (): Promise<void> => {
            const answer = await batched.get(id);
            if (id === "gone") return expect(answer).toBeNull();
            expect(answer?.id).toBe(id);
            expect(answer?.at).toBeGreaterThan(before);
          };
          answers.push(check());
        }
        await Promise.resolve();
      }
      await Promise.all(answers);
      expect(asked.length).toBeLessThanOrEqual(turns.reduce((sum, turn) => sum + Math.ceil(turn.length / most), 0));
    }),
    propertyOptions({ numRuns: 200 }),
  );
});

test("a question that fails fails those that it was for, and nobody after them", async () => {
  let failing = true;
  const batched = new Batched(async (wanted: readonly string[]) => {
    await Promise.resolve();
    if (failing) throw new Error("away");
    return new Map(wanted.map((id) => [id, id]));
  }, 10);
  await expect(Promise.all([batched.get("a"), batched.get("b")])).rejects.toThrow("away");
  failing = false;
  await expect(batched.get("a")).resolves.toBe("a");
});
