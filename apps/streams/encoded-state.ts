import type { FieldSorts, State } from "#libs/contracts/stream/state.ts";
import type { EventLog } from "./event-log.ts";

/** What a channel shows: values and tables, and logs beside. A channel's state has the same fields in the same order each time. */
export interface Shown {
  readonly state: State;
  readonly logs: Readonly<Record<string, EventLog>>;
}

type Rows = Readonly<Record<string, unknown>>;

/** Rows as JSON, in the order in which they were shown last. */
interface Table {
  ids: readonly string[];
  /** Each with its id before it. */
  texts: readonly string[];
}

/** What a log had when it was last looked at. */
interface Told {
  readonly count: number;
  readonly items: readonly string[];
}

const keys = new Map<string, string>();

/** Names of fields are few, and the same for all channels of a kind. */
function keyOf(field: string): string {
  const known = keys.get(field) ?? `${JSON.stringify(field)}:`;
  keys.set(field, known);
  return known;
}

/**
 * The state of a channel, piece by piece, so that what has changed is known and written without writing the rest again. Ten thousand of them are
 * kept and gone through every second: they are as small as can be.
 */
export class EncodedState {
  readonly #sorts: FieldSorts;
  /** Of each field its value, or a `Table`. */
  readonly #fields: unknown[] = [];
  readonly #names: string[] = [];
  readonly #logs = new Map<string, Told>();

  constructor(sorts: FieldSorts) {
    this.#sorts = sorts;
  }

  /** Takes the new state; gives the delta that leads to it as JSON, "{}" where nothing has changed (`libs/contracts/stream/state.ts`). */
  update({ state, logs }: Shown): string {
    const changed: string[] = [];
    let at = 0;
    for (const field in state) {
      const text = this.#isTable(field)
        ? this.#updateTable(at, state[field] as Rows)
        : this.#updateValue(at, state[field]);
      this.#names[at] = field;
      at += 1;
      if (text !== null) changed.push(keyOf(field) + text);
    }
    for (const [field, log] of Object.entries(logs)) {
      const known = this.#logs.get(field);
      if (known?.count === log.count) continue;
      this.#logs.set(field, { count: log.count, items: log.after(0) });
      changed.push(`${keyOf(field)}[${log.after(known?.count ?? 0).join(",")}]`);
    }
    return `{${changed.join(",")}}`;
  }

  #isTable(field: string): boolean {
    return this.#sorts.tables.includes(field);
  }

  #updateValue(at: number, value: unknown): string | null {
    const first = at === this.#names.length;
    const known = this.#fields[at];
    // Most is what it was; and what is the same need not be written to see it.
    if (!first && known === value) return null;
    this.#fields[at] = value;
    const text = JSON.stringify(value);
    return !first && typeof value === "object" && JSON.stringify(known) === text ? null : text;
  }

  #updateTable(at: number, rows: Rows): string | null {
    const known = (this.#fields[at] ??= { ids: [], texts: [] }) as Table;
    const first = at === this.#names.length;
    const ids = Object.keys(rows);
    const texts = ids.map((id) => `${JSON.stringify(id)}:${JSON.stringify(rows[id])}`);
    const changed: string[] = [];
    if (ids.length === known.ids.length && ids.every((id, place) => id === known.ids[place])) {
      for (const [place, text] of texts.entries()) if (text !== known.texts[place]) changed.push(text);
    } else {
      const before = new Map(known.ids.map((id, place) => [id, known.texts[place]]));
      for (const [place, id] of ids.entries()) {
        const text = texts[place] as string;
        if (before.get(id) !== text) changed.push(text);
        before.delete(id);
      }
      for (const id of before.keys()) changed.push(`${JSON.stringify(id)}:null`);
      known.ids = ids;
    }
    known.texts = texts;
    return changed.length === 0 && !first ? null : `{${changed.join(",")}}`;
  }

  /** The whole state as JSON, as of the last update. */
  whole(): string {
    const fields: string[] = [];
    for (const [at, field] of this.#names.entries())
      fields.push(
        keyOf(field) + (this.#isTable(field) ? tableText(this.#fields[at] as Table) : JSON.stringify(this.#fields[at])),
      );
    for (const [field, { items }] of this.#logs) fields.push(`${keyOf(field)}[${items.join(",")}]`);
    return `{${fields.join(",")}}`;
  }
}

const tableText = ({ texts }: Table): string => `{${texts.join(",")}}`;
