import type { FieldSorts, State } from "#libs/contracts/stream/state.ts";
import type { EventLog } from "./event-log.ts";

/** What a channel shows: values and tables, and logs beside. */
export interface Shown {
  readonly state: State;
  readonly logs: Readonly<Record<string, EventLog>>;
}

/** The state of a channel as JSON, piece by piece, so that what has changed is known and written without writing the rest again. */
export class EncodedState {
  readonly #sorts: FieldSorts;
  readonly #values = new Map<string, { value: unknown; text: string }>();
  readonly #tables = new Map<string, Map<string, string>>();
  /** What a log had when it was last looked at. */
  readonly #logs = new Map<string, { readonly told: number; readonly items: readonly string[] }>();

  constructor(sorts: FieldSorts) {
    this.#sorts = sorts;
  }

  /** Takes the new state; gives the delta that leads to it as JSON, "{}" where nothing has changed (`libs/contracts/stream/state.ts`). */
  update({ state, logs }: Shown): string {
    const changed: string[] = [];
    for (const field in state) {
      const value = state[field];
      const text = this.#sorts.tables.includes(field)
        ? this.#updateTable(field, value as Readonly<Record<string, unknown>>)
        : this.#updateValue(field, value);
      if (text !== null) changed.push(`${JSON.stringify(field)}:${text}`);
    }
    for (const [field, log] of Object.entries(logs)) {
      const known = this.#logs.get(field);
      if (known?.told === log.count) continue;
      this.#logs.set(field, { told: log.count, items: log.after(0) });
      changed.push(`${JSON.stringify(field)}:[${log.after(known?.told ?? 0).join(",")}]`);
    }
    return `{${changed.join(",")}}`;
  }

  #updateValue(field: string, value: unknown): string | null {
    const known = this.#values.get(field);
    if (known === undefined) {
      const text = JSON.stringify(value);
      this.#values.set(field, { value, text });
      return text;
    }
    // Most is what it was; and what is the same need not be written to see it.
    if (known.value === value) return null;
    known.value = value;
    const text = JSON.stringify(value);
    if (known.text === text) return null;
    known.text = text;
    return text;
  }

  #updateTable(field: string, rows: Readonly<Record<string, unknown>>): string | null {
    const known = this.#tables.get(field) ?? new Map<string, string>();
    this.#tables.set(field, known);
    const changed: string[] = [];
    let count = 0;
    for (const id in rows) {
      count += 1;
      const text = JSON.stringify(rows[id]);
      if (known.get(id) === text) continue;
      known.set(id, text);
      changed.push(`${JSON.stringify(id)}:${text}`);
    }
    if (known.size > count)
      for (const id of known.keys())
        if (!Object.hasOwn(rows, id)) {
          known.delete(id);
          changed.push(`${JSON.stringify(id)}:null`);
        }
    return changed.length === 0 ? null : `{${changed.join(",")}}`;
  }

  /** The whole state as JSON, as of the last update. */
  whole(): string {
    const fields: string[] = [];
    for (const [field, { text }] of this.#values) fields.push(`${JSON.stringify(field)}:${text}`);
    for (const [field, rows] of this.#tables) {
      const texts = [...rows].map(([id, text]) => `${JSON.stringify(id)}:${text}`);
      fields.push(`${JSON.stringify(field)}:{${texts.join(",")}}`);
    }
    for (const [field, { items }] of this.#logs) fields.push(`${JSON.stringify(field)}:[${items.join(",")}]`);
    return `{${fields.join(",")}}`;
  }
}
