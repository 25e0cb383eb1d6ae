interface Asked<Value> {
  readonly id: string;
  readonly resolve: (value: Value | null) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * One question for many: what is asked while another question is on its way waits for it to end, and is then asked together. No answer is
 * older than its question.
 */
export class Batched<Value> {
  readonly #load: (ids: readonly string[]) => Promise<ReadonlyMap<string, Value>>;
  readonly #most: number;
  #waiting: Asked<Value>[] = [];
  #running = false;

  /** `load` answers up to `most` different ids; those that are missing in its answer are answered with null. */
  constructor(load: (ids: readonly string[]) => Promise<ReadonlyMap<string, Value>>, most: number) {
    this.#load = load;
    this.#most = most;
  }

  async get(id: string): Promise<Value | null> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ id, resolve, reject });
      if (!this.#running) void this.#run();
    });
  }

  async #run(): Promise<void> {
    this.#running = true;
    // Those of the same turn go together.
    await Promise.resolve();
    while (this.#waiting.length > 0) {
      const asked = this.#waiting.slice(0, this.#most);
      this.#waiting = this.#waiting.slice(this.#most);
      try {
        const found = await this.#load([...new Set(asked.map(({ id }) => id))]);
        for (const { id, resolve } of asked) resolve(found.get(id) ?? null);
      } catch (error) {
        for (const { reject } of asked) reject(error);
      }
    }
    this.#running = false;
  }
}
