import fc from "fast-check";
import { expect, test } from "vitest";
import { applyDelta, deltaOf, type State } from "#libs/contracts/stream/state.ts";
import { propertyOptions } from "#test/support/property.ts";

const kept = 3;
const sorts = { tables: ["rows"], logs: { events: kept } };
/** Names that objects have of their own, too: they come from accounts and orders. */
const id = fc.constantFrom("a", "b", "__proto__", "constructor", "toString");
const row = fc.record({ qty: fc.constantFrom("1", "2"), price: fc.constantFrom("5", null) });
const table = fc.dictionary(id, row, { maxKeys: 4 });
const step = fc.record({
  ratio: fc.constantFrom("1.1", "1.2", null),
  rows: table,
  added: fc.array(fc.nat(9), { maxLength: 5 }),
});
const overTheWire = <T>(value: T): T => JSON.parse(JSON.stringify(value)) as T;

/** A server's states one after another, and the delta that leads to each. */
function* history(
  steps: readonly { ratio: string | null; rows: object; added: number[] }[],
): Generator<{ state: State; delta: State | null }> {
  let state: State = { ratio: "0", rows: {}, events: [] };
  for (const { ratio, rows, added } of steps) {
    const events = [...(state["events"] as number[]), ...added].slice(-kept);
    const next = { ratio, rows, events };
    const delta = deltaOf(state, next, { events: added }, sorts);
    state = next;
    yield { state, delta };
  }
}

test("snapshot and deltas give what a fresh snapshot says, whatever rows are called", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 8 }), (steps) => {
      let client: State = { ratio: "0", rows: {}, events: [] };
      for (const { state, delta } of history(steps)) {
        if (delta !== null) client = applyDelta(client, overTheWire(delta), sorts);
        expect(JSON.stringify(sorted(client))).toBe(JSON.stringify(sorted(overTheWire(state))));
      }
    }),
    propertyOptions({ numRuns: 300 }),
  );
  expect(Object.getPrototypeOf({})).toBe(Object.prototype);
});

function sorted(state: State): State {
  const rows = Object.entries(state["rows"] as object).sort(([left], [right]) => (left < right ? -1 : 1));
  return { ...state, rows };
}

test("a delta says what changed and nothing else; no change is no delta", () => {
  const before = { ratio: "1.2", equity: "5", rows: { a: { qty: "1" }, b: { qty: "2" } }, events: [1] };
  const after = { ratio: "1.1", equity: "5", rows: { a: { qty: "1" }, c: { qty: "3" } }, events: [1, 2] };
  expect(deltaOf(before, after, { events: [2] }, sorts)).toEqual({
    ratio: "1.1",
    rows: { b: null, c: { qty: "3" } },
    events: [2],
  });
  expect(deltaOf(before, { ...before }, {}, sorts)).toBeNull();
});

test("a delta that is not of the shape it should be leaves a state that can be used", () => {
  const state = applyDelta({ rows: 5, events: "x" }, { rows: { a: { qty: "1" } }, events: [1] }, sorts);
  expect(state).toEqual({ rows: { a: { qty: "1" } }, events: [1] });
});
