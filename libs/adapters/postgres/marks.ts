import { nullableTextArray, numberArray, textArray } from "./arrays.ts";
import { count, onPrimaryOnly } from "./database.ts";
import type { Queryable } from "./database.ts";
import { Deposed } from "./errors.ts";

export interface MarkState {
  /** Of the holder of the lease of that name who wrote it. */
  readonly epoch: number;
  /** Number of the last save. */
  readonly version: number;
  readonly bytes: Buffer;
}

/**
 * Keeps what a price process needs after a restart, in place of what it kept before. `epoch`: of the lease called `name`; throws `Deposed`
 * where another holds it by now.
 */
export async function saveMarkState(db: Queryable, name: string, epoch: number, bytes: Uint8Array): Promise<void> {
  const { rowCount } = await db.query({
    name: "mark_state_save",
    text: `INSERT INTO mark_state AS kept (name, epoch, version, bytes)
      SELECT name, epoch, 1, $3::bytea FROM lease WHERE name = $1 AND epoch = $2 FOR SHARE
      ON CONFLICT (name) DO UPDATE SET epoch = excluded.epoch, version = kept.version + 1, bytes = excluded.bytes,
        saved_at = clock_timestamp()
      WHERE kept.epoch <= excluded.epoch`,
    values: [name, epoch, Buffer.from(bytes)],
  });
  if (rowCount !== 1) throw new Deposed(`epoch ${epoch} of ${name} is over`);
}

export async function loadMarkState(db: Queryable, name: string): Promise<MarkState | null> {
  const { rows } = await db.query<{ epoch: string; version: string; bytes: Buffer }>({
    text: "SELECT epoch, version, bytes FROM mark_state WHERE name = $1",
    values: [name],
  });
  const row = rows[0];
  return row === undefined ? null : { epoch: count(row.epoch), version: count(row.version), bytes: row.bytes };
}

/** What one index or mark was made of in one frame. */
export interface MarkInput {
  /** Number of the frame among those of its producer. */
  readonly sourceSeq: number;
  /** UTC ms, the market's clock. */
  readonly t: number;
  /** Asset or instrument. */
  readonly id: string;
  readonly price: string | null;
  readonly quality: string | null;
  /** Sources and ages (`PriceInput`). */
  readonly input: unknown;
}

export const markInputsMax = 5_000;

/** Keeps inputs of frames for receipts, on the primary alone before it resolves. What is sent twice is kept twice, which harms nobody. */
export async function saveMarkInputs(db: Queryable, rows: readonly MarkInput[]): Promise<void> {
  if (rows.length === 0) return;
  if (rows.length > markInputsMax) throw new RangeError(`${rows.length} inputs at once`);
  await db.query({
    name: "mark_inputs_save",
    text: `INSERT INTO mark_input (source_seq, t, id, price, quality, input)
      SELECT row.* FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::numeric[], $5::text[], $6::jsonb[]) AS row,
        ${onPrimaryOnly}`,
    values: [
      numberArray(rows.map((row) => row.sourceSeq)),
      numberArray(rows.map((row) => row.t)),
      textArray(rows.map((row) => row.id)),
      nullableTextArray(rows.map((row) => row.price)),
      nullableTextArray(rows.map((row) => row.quality)),
      textArray(rows.map((row) => JSON.stringify(row.input))),
    ],
  });
}

/** What the price of `id` was made of at `t`: the newest inputs not younger than that. Null: not kept (any more). */
export async function markInputAt(db: Queryable, id: string, t: number): Promise<MarkInput | null> {
  const { rows } = await db.query<Omit<MarkInput, "sourceSeq" | "t"> & { source_seq: string; t: string }>({
    name: "mark_input_at",
    text: `SELECT source_seq, t, id, price, quality, input FROM mark_input WHERE id = $1 AND t <= $2
      ORDER BY t DESC, source_seq DESC LIMIT 1`,
    values: [id, t],
  });
  const row = rows[0];
  if (row === undefined) return null;
  const { source_seq, t: at, ...rest } = row;
  return { ...rest, sourceSeq: count(source_seq), t: count(at) };
}
