import { type Database, type GateDecision, insertDecisions } from "#libs/adapters/postgres/index.ts";
import { limited, type Logger } from "#libs/telemetry/logger.ts";
import { limits } from "./limits.ts";

/** Keeps the gate's answers in the database, behind the answers. When it cannot keep up they are dropped and counted. */
export class Decisions {
  readonly #db: Database;
  readonly #warn: (fields: object, message: string) => void;
  #waiting: GateDecision[] = [];
  #timer: NodeJS.Timeout | null = null;
  #writing: Promise<void> = Promise.resolve();
  #busy = false;
  dropped = 0;

  constructor(db: Database, logger: Logger) {
    this.#db = db;
    this.#warn = limited((fields, message) => logger.warn(fields, message));
  }

  get waiting(): number {
    return this.#waiting.length;
  }

  add(decision: GateDecision): void {
    if (this.#waiting.length >= limits.decisionsQueued) {
      this.dropped += 1;
      this.#warn({ dropped: this.dropped }, "decisions of the gate are not kept: the database is behind");
      return;
    }
    this.#waiting.push(decision);
    this.#timer ??= setTimeout(() => this.#due(), limits.decisionsMs);
  }

  async stop(): Promise<void> {
    if (this.#timer !== null) clearTimeout(this.#timer);
    await this.#writing;
    await this.#write();
  }

  #due(): void {
    this.#timer = null;
    if (!this.#busy) this.#writing = this.#write();
    else if (this.#waiting.length > 0) this.#timer = setTimeout(() => this.#due(), limits.decisionsMs);
  }

  async #write(): Promise<void> {
    this.#busy = true;
    while (this.#waiting.length > 0) {
      const rows = this.#waiting.splice(0, limits.decisionsPerInsert);
      try {
        await insertDecisions(this.#db, rows);
      } catch (error) {
        this.dropped += rows.length;
        this.#warn({ error, dropped: this.dropped }, "decisions of the gate were not kept");
        break;
      }
    }
    this.#busy = false;
  }
}
