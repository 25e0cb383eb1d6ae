import { Rational } from "#libs/decimal/index.ts";
import type { Entry } from "#libs/contracts/log.ts";
import { Engine } from "#libs/engine/index.ts";
import { type Check, demand, readBook } from "./history-run.ts";

/** Facts as text: what a restored engine must say too. */
const said = (facts: readonly unknown[]): string => JSON.stringify(facts);

/** What of a machine is made anew, belongs to one entry or one process, or is compared by its own means. */
const derived = new Set([
  ..."book ledger index judge compiled pending options market rules document changedPools winners candidates".split(
    " ",
  ),
  ..."entityOfAccount facts effects popped poppedCount judgedCount receipts priceInputs judgedPools movedFar current".split(
    " ",
  ),
]);

/** Everything else that a machine knows, as text: a field that a snapshot forgets shows as different. */
function known(engine: Engine): string {
  const plain = (value: unknown): unknown => {
    if (typeof value === "bigint") return `${value}n`;
    if (value instanceof Rational) return value.reduced().toString();
    if (value instanceof Map) return [...value].map(([key, one]) => [plain(key), plain(one)]);
    if (Array.isArray(value)) return value.map(plain);
    if (typeof value !== "object" || value === null) return value;
    return Object.entries(value).map(([key, one]) => [key, plain(one)]);
  };
  const fields = Object.entries(engine.machine).filter(([field]) => !derived.has(field));
  return JSON.stringify(fields.map(([field, value]) => [field, plain(value)]));
}

/**
 * INV-08, I-17 at every point: a snapshot taken before an entry and restored is the same machine, does the same with the entry, finds
 * the same pools due, and ends in the same state.
 */
export function checkSnapshots(engine: Engine): Check {
  const { options } = engine.machine;
  return (entry) => {
    const restored = Engine.restore(engine.snapshot(), options);
    demand(restored.stateHash() === engine.stateHash(), () => "INV-08 a restored engine has another state");
    demand(
      known(restored) === known(engine),
      () => `INV-08 a restored engine knows ${firstDifference(known(restored), known(engine))}`,
    );
    const mine = restored.apply(entry);
    return ({ facts, effects }) => {
      demand(
        said(mine.facts) === said(facts),
        () => `INV-08 restored, it says ${said(mine.facts).slice(0, 400)} instead of ${said(facts).slice(0, 400)}`,
      );
      demand(said(mine.effects) === said(effects), () => "INV-08 restored, it asks for something else");
      demand(restored.stateHash() === engine.stateHash(), () => "INV-08 restored, it comes to another state");
    };
  };
}

function firstDifference(left: string, right: string): string {
  let at = 0;
  while (at < left.length && left[at] === right[at]) at += 1;
  return `${left.slice(Math.max(0, at - 60), at + 60)} instead of ${right.slice(Math.max(0, at - 60), at + 60)}`;
}

/** INV-09, I-16: what has been seen before changes nothing; an answer that nobody waits for moves neither money nor contracts. */
export function checkDuplicates(engine: Engine): Check {
  // The watched `apply` is put over the prototype's, which is the engine's own.
  const apply = (entry: Entry) => Engine.prototype.apply.call(engine, entry);
  const seen: Entry[] = [];
  return () => (done) => {
    seen.push(done.entry);
    const before = engine.stateHash();
    const again = [done.entry, seen[Math.floor(seen.length / 2)] as Entry].filter((one) => one.sourceSeq !== undefined);
    for (const entry of again) {
      const { facts, effects } = apply(entry);
      demand(
        facts.length === 0 && effects.length === 0,
        () => `INV-09 ${entry.k} ${String(entry.sourceSeq)} again does something`,
      );
      demand(
        engine.stateHash() === before,
        () => `INV-09 ${entry.k} ${String(entry.sourceSeq)} again changes the state`,
      );
    }
    if (done.entry.sourceSeq === undefined) return;
    const late = { ...done.entry, sourceSeq: done.entry.sourceSeq + 2 };
    // The latest frame and the latest tick of the clock count: numbers between them may be missing.
    if (late.k === "frame" || late.k === "time") return;
    let stopped = false;
    try {
      apply(late);
    } catch {
      stopped = true;
    }
    demand(stopped && engine.stateHash() === before, () => `INV-09 a gap before ${late.k} does not stop the shard`);
  };
}

/** INV-09 for the venue's answers: the same effect answered twice. */
export function checkAnswers(engine: Engine): Check {
  return () => (done) => {
    const { entry } = done;
    if (entry.k !== "blocked" && entry.k !== "closed" && entry.k !== "resumed") return;
    const restored = Engine.restore(engine.snapshot(), engine.machine.options);
    const sagas = restored.machine.sagas.size;
    const { effects } = restored.apply(entry);
    const money = ({ cash, rows }: ReturnType<typeof readBook>): string =>
      [...cash, ...[...rows].map(([key, one]) => [key, `${one.qty} ${one.cost} ${one.margin}`] as const)]
        .map(([key, held]) => `${key} ${held}`)
        .sort()
        .join();
    demand(
      effects.length === 0 && restored.machine.sagas.size === sagas,
      () => `INV-09 ${entry.effect} answered again moves a saga`,
    );
    demand(money(readBook(restored)) === money(done.after), () => `INV-09 ${entry.effect} answered again moves money`);
  };
}

/** INV-08 over whole histories: from a snapshot anywhere the rest of the log leads to the same state. */
export function replayFrom(log: readonly Entry[], engine: Engine, fresh: Engine, at: number): void {
  for (const entry of log.slice(0, at)) fresh.apply(entry);
  const restored = Engine.restore(fresh.snapshot(), fresh.machine.options);
  for (const entry of log.slice(at)) restored.apply(entry);
  demand(restored.stateHash() === engine.stateHash(), () => `INV-08 the state replayed from entry ${at} differs`);
}
