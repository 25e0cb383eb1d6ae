import { type Database, type EffectName, markEffectsSent } from "#libs/adapters/postgres/index.ts";
import { type Logger, limited } from "#libs/telemetry/logger.ts";
import { limits } from "./limits.ts";

/**
 * Notes attempts in PostgreSQL, many at once and behind the commands themselves: told twice, an effect is carried out once, so an attempt
 * that was not noted costs one that was not needed.
 */
export class Attempts {
  readonly #db: Database;
  readonly #warn: Logger["warn"];
  #waiting: EffectName[] = [];
  #timer: NodeJS.Timeout | null = null;
  #writing: Promise<void> = Promise.resolve();

  constructor(db: Database, logger: Logger) {
    this.#db = db;
    this.#warn = limited((fields, message) => logger.warn(fields, message));
  }

  add(effect: EffectName): void {
    this.#waiting.push(effect);
    this.#timer ??= setTimeout(() => this.#flush(), limits.attemptsMs);
  }

  /** Resolves when all are noted, or could not be. */
  async settled(): Promise<void> {
    this.#flush();
    await this.#writing;
  }

  #flush(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    const some = this.#waiting.splice(0);
    if (some.length === 0) return;
    this.#writing = this.#writing
      .then(async () => void (await markEffectsSent(this.#db, some)))
      .catch((error: unknown) => this.#warn({ error, attempts: some.length }, "attempts were not noted"));
  }
}
