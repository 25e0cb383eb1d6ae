import { Rational } from "#libs/decimal/index.ts";
import type { Subject } from "#libs/domain/limits/subject.ts";
import { type Counted, type VelocityBinding, velocityBindings } from "#libs/domain/limits/velocity.ts";
import type { Engine } from "../engine.ts";
import { usdQuantum } from "./rates.ts";
import { type Utilisation, usedOf } from "./utilisation.ts";

/** The fullest that decisions found a window of velocity: its name in their record, orders, and their value in 1e-8 USD. */
export interface WindowSeen {
  readonly window: string;
  readonly orders: bigint;
  readonly valueUsd: bigint;
}

/** LIM-44: how full windows of velocity were of what the rules permit now; the fullest first, at most `most`. What no rule limits any more is left out. */
export function velocityUse(engine: Engine, seen: readonly WindowSeen[], most: number): Utilisation[] {
  const measures = seen.flatMap(({ window, orders, valueUsd }) => {
    const place = placeOf(engine, window);
    if (place === null) return [];
    const { account, bindings } = place;
    const used = (limit: string, value: Rational, of: (one: VelocityBinding) => Rational | null) =>
      bindings.flatMap((one) => {
        const bound = of(one);
        return bound === null || value.isZero()
          ? []
          : [{ account, measure: { limit, instrument: null, value, bound, level: one.source } }];
      });
    return [
      ...used("velocityOrders", Rational.ofInteger(orders), (one) => one.orders),
      ...used("velocityValueUsd", usdQuantum.times(Rational.ofInteger(valueUsd)), (one) => one.valueUsd),
    ];
  });
  return usedOf(measures, most);
}

/** Whom a window counts (an owner by the name of its entity), and what binds it; null: nobody whom the rules know. */
function placeOf(
  { machine }: Engine,
  window: string,
): { readonly account: string; readonly bindings: readonly VelocityBinding[] } | null {
  const [counted = "", name = "", ...more] = window.split(" ");
  const windowMs = Number(more.at(-1));
  const { entities, hierarchy } = machine.rules;
  const owned = counted === "client" ? entities.get(name)?.accounts : undefined;
  const account = owned === undefined ? name : owned[0];
  if (account === undefined) return null;
  const key = counted === "key" && more.length > 1 && more[0] !== "" ? (more[0] ?? null) : null;
  const subject: Subject = { account, key, entity: machine.entityOfAccount.get(account) ?? null };
  const bindings = velocityBindings(hierarchy, subject).filter(
    (one) => one.counted === (counted as Counted) && one.windowMs === windowMs,
  );
  return { account: name, bindings };
}
