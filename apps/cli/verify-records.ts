import { type Queryable, readEveryRecord } from "#libs/adapters/postgres/index.ts";
import { type Engine, openSagaRows } from "#libs/engine/index.ts";
import type { Named } from "#libs/journal/index.ts";

/** Every version of the rules that a replay has come by. */
export class RuleHistory {
  readonly versions = new Map<number, string>();
  #last = 0;

  note({ machine: { rules, document } }: Engine): void {
    if (rules.version === this.#last) return;
    this.#last = rules.version;
    this.versions.set(rules.version, canonical(document));
  }
}

/** What the tables should hold beside holdings and ledger: open sagas and effects, producers' numbers, halts, rules. */
export function replayedRecords(engine: Engine, rules: RuleHistory): Named {
  const { machine } = engine;
  const named = new Map<string, string>();
  for (const { saga, account, instrument, state, stage, step, startedAt } of openSagaRows(machine))
    named.set(`saga ${saga}`, canonical({ account, instrument, state, stage, step, startedAt }));
  for (const [id, effect] of machine.openEffects) named.set(`effect ${id}`, canonical(effect));
  for (const [source, seq] of machine.sourceSeqs) named.set(`source ${source}`, String(seq));
  for (const { scope, id, state, reason, manual, since, until } of machine.halts)
    named.set(haltKey(scope, id, manual, reason), canonical({ state, since, until }));
  for (const [version, document] of rules.versions) named.set(`rules ${version}`, document);
  return named;
}

/** The same as the tables have it, in the snapshot of `db`. */
export async function storedRecords(db: Queryable, shard: string): Promise<Named> {
  const stored = await readEveryRecord(db, shard);
  const named = new Map<string, string>();
  for (const { id, account, instrument, state, stage, step, startedAt } of stored.sagas)
    named.set(`saga ${id}`, canonical({ account, instrument, state, stage, step, startedAt }));
  for (const effect of stored.effects) named.set(`effect ${effect.id}`, canonical(effect));
  for (const [source, seq] of stored.sources) named.set(`source ${source}`, String(seq));
  for (const { scope, id, state, reason, manual, since, until } of stored.halts)
    named.set(haltKey(scope, id ?? "", manual, reason), canonical({ state, since, until }));
  for (const { version, document } of stored.rules) named.set(`rules ${version}`, canonical(document));
  return named;
}

const haltKey = (scope: string, id: string, manual: boolean, reason: string): string =>
  `halt ${scope} ${id} ${manual ? "of an operator" : reason}`;

/** JSON with sorted keys and without undefined values: the database keeps objects in an order of its own. */
function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  const fields = Object.entries(value).filter(([, one]) => one !== undefined);
  fields.sort(([left], [right]) => (left < right ? -1 : 1));
  return `{${fields.map(([key, one]) => `${JSON.stringify(key)}:${canonical(one)}`).join(",")}}`;
}
