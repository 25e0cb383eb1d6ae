import type { OpenEffect, Queryable } from "#libs/adapters/postgres/index.ts";

const ratiosMax = 50_000;

/** How near to its end each liquidation's pool was when it began: what the worst one goes first by. */
export class Ratios {
  /** Null: it is not known, and cannot be found. */
  readonly #bySaga = new Map<string, string | null>();

  /** Null: none is known. */
  of(shard: string, saga: string | null): string | null {
    return saga === null ? null : (this.#bySaga.get(`${shard}/${saga}`) ?? null);
  }

  set(shard: string, saga: string, ratio: string | null): void {
    const oldest = this.#bySaga.size >= ratiosMax ? this.#bySaga.keys().next().value : undefined;
    if (oldest !== undefined) this.#bySaga.delete(oldest);
    this.#bySaga.set(`${shard}/${saga}`, ratio);
  }

  /** Reads those of these effects that are not known yet; they stand in the facts. */
  async learn(db: Queryable, effects: readonly OpenEffect[]): Promise<void> {
    const unknown = new Map<string, Set<string>>();
    for (const { shard, effect } of effects) {
      if (!("saga" in effect) || this.#bySaga.has(`${shard}/${effect.saga}`)) continue;
      unknown.set(shard, (unknown.get(shard) ?? new Set()).add(effect.saga));
    }
    for (const [shard, sagas] of unknown) {
      const { rows } = await db.query<{ saga: string; ratio: string | null }>({
        name: "liquidation_ratios",
        text: `SELECT body ->> 'saga' AS saga, body ->> 'ratio' AS ratio FROM fact
          WHERE shard = $1 AND fact = 'liquidation.started' AND body ? 'saga' AND body ->> 'saga' = ANY ($2::text[])`,
        values: [shard, [...sagas]],
      });
      const found = new Map(rows.map(({ saga, ratio }) => [saga, ratio]));
      for (const saga of sagas) this.set(shard, saga, found.get(saga) ?? null);
    }
  }
}
