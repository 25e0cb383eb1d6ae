import { closeSync, existsSync, openSync, readFileSync, renameSync } from "node:fs";
import { writeAll } from "../journal/files.ts";

/**
 * How far each shard's log has the venue's entries. A file that is older than the truth only means that entries are published
 * again, which changes nothing; so it is written now and then, and what cannot be read counts as nothing.
 */
export class Acknowledged {
  readonly #file: string;
  readonly #seqs = new Map<string, number>();
  #written = "";

  constructor(folder: string, shards: readonly string[]) {
    this.#file = `${folder}/acknowledged.json`;
    const kept = existsSync(this.#file) ? parsed(readFileSync(this.#file, "utf8")) : {};
    for (const shard of shards) {
      const seq = kept[shard];
      this.#seqs.set(shard, typeof seq === "number" && Number.isSafeInteger(seq) && seq > 0 ? seq : 0);
    }
  }

  of(shard: string): number {
    return this.#seqs.get(shard) ?? 0;
  }

  get all(): ReadonlyMap<string, number> {
    return this.#seqs;
  }

  set(shard: string, seq: number): void {
    this.#seqs.set(shard, Math.max(seq, this.of(shard)));
  }

  save(): void {
    const text = JSON.stringify(Object.fromEntries(this.#seqs));
    if (text === this.#written) return;
    const handle = openSync(`${this.#file}.tmp`, "w");
    writeAll(handle, Buffer.from(text));
    closeSync(handle);
    renameSync(`${this.#file}.tmp`, this.#file);
    this.#written = text;
  }
}

function parsed(text: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}
