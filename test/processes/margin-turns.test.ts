import { expect, test } from "vitest";
import { limits } from "#apps/margin/limits.ts";
import { Turns } from "#apps/margin/rpc.ts";

const turn = async (): Promise<void> => new Promise((resolve) => void setImmediate(resolve));

/** Questions with these numbers, all at once; gives what came of each as it stands whenever it is looked at. */
function ask(turns: Turns, count: number): string[] {
  const outcomes: string[] = [];
  for (let number = 0; number < count; number += 1) {
    const outcome = turns.take(
      () => "answered",
      () => "refused",
    );
    if (typeof outcome === "string") outcomes[number] = outcome;
    else void outcome.then((text) => (outcomes[number] = text));
  }
  return outcomes;
}

const countOf = (outcomes: readonly string[], outcome: string): number =>
  outcomes.filter((one) => one === outcome).length;

test("a slice of questions is answered as they come, the next when entries have had their turn, and more than may wait are refused", async () => {
  const { questionsPerSlice, questionsQueued } = limits;
  const outcomes = ask(new Turns(), questionsPerSlice + questionsQueued + 7);
  expect(countOf(outcomes, "answered")).toBe(questionsPerSlice);
  expect(countOf(outcomes, "refused")).toBe(7);
  // What is refused is what came last.
  expect(outcomes.slice(-7)).toEqual(Array.from({ length: 7 }, () => "refused"));
  await turn();
  expect(countOf(outcomes, "answered")).toBe(2 * questionsPerSlice);
  for (let at = 0; at < questionsQueued / questionsPerSlice; at += 1) await turn();
  expect(countOf(outcomes, "answered")).toBe(questionsPerSlice + questionsQueued);
});

test("whoever asks later does not overtake those who wait, and there is room again afterwards", async () => {
  const turns = new Turns();
  const first = ask(turns, limits.questionsPerSlice + 1);
  await turn();
  expect(countOf(first, "answered")).toBe(limits.questionsPerSlice + 1);
  const order: string[] = [];
  const take = (name: string): void =>
    void Promise.resolve(
      turns.take(
        () => name,
        () => "refused",
      ),
    ).then((text) => order.push(text));
  for (let at = 0; at < limits.questionsPerSlice + 2; at += 1) take(`${at}`);
  await turn();
  await turn();
  expect(order).toEqual(Array.from({ length: limits.questionsPerSlice + 2 }, (_, at) => `${at}`));
});

test("an answer that fails is its asker's error alone", async () => {
  const turns = new Turns();
  ask(turns, limits.questionsPerSlice);
  const failing = turns.take(
    () => {
      throw new Error("broken");
    },
    () => "refused",
  );
  const next = turns.take(
    () => "answered",
    () => "refused",
  );
  await expect(failing).rejects.toThrow("broken");
  await expect(next).resolves.toBe("answered");
});
