/**
 * How the data of a channel is put together, on both ends. Nothing here needs the schema library, so that a browser can have it.
 *
 * The data of a channel is one object. Its fields are of three sorts, which the channel's kind tells:
 * values (a delta has the whole new value), tables (objects by id: a delta has the rows that changed, whole, and `null` for those that
 * are gone) and logs (lists, oldest first: a delta has what was added; both ends keep the newest `kept`). A field that a delta leaves
 * out has not changed.
 */
export interface FieldSorts {
  readonly tables: readonly string[];
  /** Log → how many of its newest items are kept. */
  readonly logs: Readonly<Record<string, number>>;
}

export type State = Readonly<Record<string, unknown>>;
type Table = Readonly<Record<string, unknown>>;

const isTable = (value: unknown): value is Table =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** Own keys alone: what came over the wire must not reach into prototypes. */
const tableOf = (value: unknown): Table => (isTable(value) ? value : {});
const listOf = (value: unknown): readonly unknown[] => (Array.isArray(value) ? (value as readonly unknown[]) : []);

/** The state after a delta; the state before stays as it was. */
export function applyDelta(state: State, delta: State, { tables, logs }: FieldSorts): State {
  const after = new Map(Object.entries(state));
  for (const [field, change] of Object.entries(delta)) {
    const kept = Object.hasOwn(logs, field) ? logs[field] : undefined;
    if (kept !== undefined) after.set(field, [...listOf(after.get(field)), ...listOf(change)].slice(-kept));
    else if (tables.includes(field)) after.set(field, changedTable(tableOf(after.get(field)), tableOf(change)));
    else after.set(field, change);
  }
  return Object.fromEntries(after);
}

function changedTable(before: Table, change: Table): Table {
  const rows = new Map(Object.entries(before));
  for (const [id, row] of Object.entries(change)) {
    if (row === null) rows.delete(id);
    else rows.set(id, row);
  }
  return Object.fromEntries(rows);
}

/**
 * What turns one state into another; null: nothing has changed. Logs are not compared: what was added to them is given, by log. `same`:
 * whether two values are the same; by default their JSON.
 */
export function deltaOf(
  before: State,
  after: State,
  added: Readonly<Record<string, readonly unknown[]>>,
  sorts: FieldSorts,
): State | null {
  const delta = new Map<string, unknown>();
  for (const [field, value] of Object.entries(after)) {
    if (Object.hasOwn(sorts.logs, field)) continue;
    if (!sorts.tables.includes(field)) {
      if (!same(before[field], value)) delta.set(field, value);
      continue;
    }
    const rows = changedRows(tableOf(before[field]), tableOf(value));
    if (rows.length > 0) delta.set(field, Object.fromEntries(rows));
  }
  for (const [log, items] of Object.entries(added)) if (items.length > 0) delta.set(log, items);
  return delta.size === 0 ? null : Object.fromEntries(delta);
}

function changedRows(before: Table, after: Table): [string, unknown][] {
  const rows: [string, unknown][] = [];
  for (const [id, row] of Object.entries(after))
    if (!Object.hasOwn(before, id) || !same(before[id], row)) rows.push([id, row]);
  for (const id of Object.keys(before)) if (!Object.hasOwn(after, id)) rows.push([id, null]);
  return rows;
}

const same = (left: unknown, right: unknown): boolean =>
  left === right || JSON.stringify(left) === JSON.stringify(right);
