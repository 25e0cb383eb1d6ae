import fc from "fast-check";
import { expect, test } from "vitest";
import { EncodedState } from "#apps/streams/encoded-state.ts";
import { EventLog } from "#apps/streams/event-log.ts";
import { limits } from "#apps/streams/limits.ts";
import { Outgoing, type Socket } from "#apps/streams/outgoing.ts";
import { ReplayRing } from "#apps/streams/replay-ring.ts";
import { Topic, type View } from "#apps/streams/topic.ts";
import { Followed } from "#libs/client/followed.ts";
import { channelKinds, logsKept } from "#libs/contracts/stream/channels.ts";
import type { DataFrame } from "#libs/contracts/stream/protocol.ts";
import { applyDelta, type State } from "#libs/contracts/stream/state.ts";
import { propertyOptions } from "#test/support/property.ts";

/** Names that objects have of their own, too: they come from accounts and orders. */
const id = fc.constantFrom("a", "b", "__proto__", "constructor", "toString");
const row = fc.record({ instrument: fc.constantFrom("x", "y"), price: fc.constantFrom("5", null) });
const state = fc.record({ account: fc.constantFrom("t", null), orders: fc.dictionary(id, row, { maxKeys: 4 }) });
const added = fc.integer({ min: 0, max: logsKept.events + 5 });
const step = fc.oneof(
  { weight: 4, arbitrary: fc.record({ op: fc.constant("publish" as const), state, added }) },
  { weight: 3, arbitrary: fc.record({ op: fc.constant("read" as const), frames: fc.integer({ min: 1, max: 6 }) }) },
  { weight: 1, arbitrary: fc.constant({ op: "reconnect" as const }) },
  { weight: 1, arbitrary: fc.constant({ op: "restart" as const }) },
);
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

/** So few that the ring goes round. */
const ringBytes = 2_048;

const ordered = (value: unknown): unknown =>
  typeof value !== "object" || value === null || Array.isArray(value)
    ? value
    : Object.entries(value)
        .sort(([left], [right]) => (left < right ? -1 : 1))
        .map(([key, one]) => [key, ordered(one)]);
const same = (left: unknown, right: unknown): void => expect(ordered(left)).toEqual(ordered(right));

/** A channel of one server after another, and a client that reads it when it likes over connections that break. */
class Pair {
  readonly followed = new Followed("orders.t", { name: "orders", id: "t" }, () => {});
  #log = new EventLog(logsKept.events);
  #events = 0;
  #state: State = { account: null, orders: {} };
  #runs = 1;
  #topic = this.#start();
  #wire: Buffer[] = [];
  #out = this.#connect();

  #view(): View {
    return { place: { shard: "0", logSeq: 1, t: 1 }, state: this.#state, logs: { events: this.#log } };
  }

  #start(): Topic {
    return new Topic("orders.t", channelKinds.orders, new ReplayRing(ringBytes), this.#view(), 0, 1);
  }

  /** A socket that is full with three frames that nobody has read. */
  #connect(): Outgoing {
    const wire: Buffer[] = [];
    this.#wire = wire;
    const socket: Socket = {
      get bufferedAmount() {
        return Math.floor(wire.length / 3) * (limits.bufferedBytes + 1);
      },
      send: (frame) => void wire.push(frame),
      ping: () => {},
      pong: () => {},
      close: () => {},
    };
    const out = new Outgoing(socket, (topic) => topic.snapshot(null));
    this.#topic.readers.clear();
    this.#topic.readers.add(out);
    const from = this.followed.seqIn(String(this.#runs));
    const deltas = from === null ? null : this.#topic.after(from);
    for (const frame of deltas ?? [this.#topic.snapshot(null)]) out.send(this.#topic, frame);
    return out;
  }

  take(one: Step): void {
    if (one.op === "publish") {
      for (let at = 0; at < one.added; at += 1) this.#log.add(JSON.stringify({ seq: (this.#events += 1) }));
      this.#state = one.state;
      this.#topic.publish(this.#view(), null, 0, false);
    } else if (one.op === "read") this.read(one.frames);
    else {
      if (one.op === "restart") {
        this.#runs += 1;
        this.#log = new EventLog(logsKept.events);
        this.#topic = this.#start();
      }
      this.#out = this.#connect();
    }
  }

  read(frames: number): number {
    const read = this.#wire.splice(0, frames);
    for (const frame of read)
      expect(this.followed.take(JSON.parse(frame.toString("utf8")) as DataFrame<State>, String(this.#runs))).not.toBe(
        "gap",
      );
    this.#out.catchUp(0);
    return read.length;
  }

  fresh(): DataFrame<State> {
    return JSON.parse(this.#topic.snapshot(null).toString("utf8")) as DataFrame<State>;
  }
}

test("a client that reads when it likes, loses connections and servers, and resumes, ends with what a fresh snapshot says", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const pair = new Pair();
      for (const one of steps) pair.take(one);
      while (pair.read(1) > 0);
      const fresh = pair.fresh();
      same(pair.followed.current?.data, fresh.data);
      expect(pair.followed.current?.seq).toBe(fresh.seq);
    }),
    propertyOptions({ numRuns: 400 }),
  );
  expect(Object.getPrototypeOf({})).toBe(Object.prototype);
});

test("a delta says what changed and nothing else; no change is no delta", () => {
  const encoded = new EncodedState(channelKinds.orders);
  const log = new EventLog(2);
  const update = (orders: object): unknown =>
    JSON.parse(encoded.update({ state: { account: "t", orders }, logs: { events: log } }));
  log.add("1");
  same(update({ a: { qty: "1" }, b: { qty: "2" } }), {
    account: "t",
    orders: { a: { qty: "1" }, b: { qty: "2" } },
    events: [1],
  });
  log.add("2");
  same(update({ a: { qty: "1" }, c: { qty: "3" } }), { orders: { b: null, c: { qty: "3" } }, events: [2] });
  expect(update({ a: { qty: "1" }, c: { qty: "3" } })).toEqual({});
  expect(JSON.parse(encoded.whole())).toMatchObject({ events: [1, 2] });
});

test("a delta that is not of the shape it should be leaves a state that can be used", () => {
  const sorts = { tables: ["rows"], logs: { events: 3 } };
  const after = applyDelta({ rows: 5, events: "x" }, { rows: { a: { qty: "1" } }, events: [1] }, sorts);
  expect(after).toEqual({ rows: { a: { qty: "1" } }, events: [1] });
});
