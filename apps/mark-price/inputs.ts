import type { MarkInput } from "#libs/adapters/postgres/index.ts";
import type { StoredFrame } from "./frame-log.ts";
import { limits } from "./limits.ts";

const rowsAtOnce = 2_000;

/** What frames were made of, on its way to the database: bounded; when that is away too long the oldest are left out. */
export class InputRows {
  #rows: MarkInput[] = [];
  /** How many were left out. */
  leftOut = 0;

  add({ frame, t, sourceSeq }: StoredFrame): void {
    for (const [id, input] of Object.entries(frame.inputs ?? {}))
      this.#rows.push({ sourceSeq, t, id, price: input.price, quality: frame.quality?.[id] ?? null, input });
    const over = this.#rows.length - limits.inputsMax;
    if (over <= 0) return;
    this.#rows.splice(0, over);
    this.leftOut += over;
  }

  /** Writes what there is; what could not be written stays. `save` is idempotent. */
  async flush(save: (rows: readonly MarkInput[]) => Promise<void>): Promise<void> {
    while (this.#rows.length > 0) {
      const rows = this.#rows.slice(0, rowsAtOnce);
      await save(rows);
      const written = new Set(rows);
      this.#rows = this.#rows.filter((row) => !written.has(row));
    }
  }
}
