import { Rational, squareRootUp } from "#libs/decimal/index.ts";
import type { HaircutRules } from "#libs/domain/rule-set/types.ts";

/** HAIR-06: haircuts are published in steps of 0.1 %. */
export const haircutStep = Rational.ofUnits(1n, 3);

const hourMs = Rational.ofInteger(3_600_000);

/** What the bounded haircuts of one asset remember. Fractions; `t` UTC ms. */
export interface HaircutState {
  /** Applied to initial equity. */
  readonly initial: Rational;
  /** Applied to maintenance equity. */
  readonly maintenance: Rational;
  /** Where both are going: what is announced. */
  readonly target: Rational;
  readonly t: number;
  /** What was permitted to move and is still less than a whole step, in lowest terms. */
  readonly initialAllowance: Rational;
  readonly maintenanceAllowance: Rational;
}

function clamped(rules: HaircutRules, value: Rational): Rational {
  const bounded = Rational.max(rules.min, Rational.min(rules.max, value));
  return bounded.ceilTo(haircutStep);
}

/** HAIR-06: `clamp(max(base, k·σ·√T), min, max)`, the root rounded up to 1e-18, the result up to 0.1 %. `variance` is σ². */
export function haircutTarget(rules: HaircutRules, variance: Rational): Rational {
  const square = rules.k.times(rules.k).times(variance).times(rules.horizonMinutes);
  return clamped(rules, Rational.max(rules.base, squareRootUp(square)));
}

interface Bounded {
  readonly value: Rational;
  readonly allowance: Rational;
}

/**
 * HAIR-09: a move towards `target` at no more than `perHour` (null: at once) since the last look, in whole steps; what is
 * left of the allowance is kept, but none is saved up while there is nowhere to go.
 */
function towards(from: Bounded, hadToMove: boolean, target: Rational, perHour: Rational | null, ms: number): Bounded {
  if (perHour === null || from.value.equals(target)) return { value: target, allowance: Rational.zero };
  if (!hadToMove) return { value: from.value, allowance: Rational.zero };
  const gained = perHour.times(Rational.ofInteger(ms)).dividedBy(hourMs);
  const allowance = from.allowance.plus(gained);
  const most = allowance.floorTo(haircutStep);
  const gap = target.minus(from.value);
  if (gap.abs().atMost(most)) return { value: target, allowance: Rational.zero };
  const move = gap.sign > 0 ? most : most.negated();
  return { value: from.value.plus(move).reduced(), allowance: allowance.minus(most).reduced() };
}

/**
 * HAIR-07 to HAIR-10: the haircuts at `t` (UTC ms, never falling), given σ² per minute. Null `state`: the asset is seen for
 * the first time, the initial haircut is the target at once and the maintenance haircut starts at the clamped base.
 */
export function nextHaircut(
  state: HaircutState | null,
  rules: HaircutRules,
  variance: Rational,
  t: number,
): HaircutState {
  const target = haircutTarget(rules, variance);
  const nothing = Rational.zero;
  if (state === null) {
    const maintenance = clamped(rules, rules.base);
    return { initial: target, maintenance, target, t, initialAllowance: nothing, maintenanceAllowance: nothing };
  }
  const ms = Math.max(0, t - state.t);
  const initial = target.atLeast(state.initial)
    ? { value: target, allowance: nothing }
    : towards(
        { value: state.initial, allowance: state.initialAllowance },
        !state.initial.equals(state.target),
        target,
        rules.decayPerHour,
        ms,
      );
  const maintenance = towards(
    { value: state.maintenance, allowance: state.maintenanceAllowance },
    !state.maintenance.equals(state.target),
    target,
    rules.maintenanceStepPerHour,
    ms,
  );
  return {
    initial: initial.value,
    maintenance: maintenance.value,
    target,
    t: Math.max(t, state.t),
    initialAllowance: initial.allowance,
    maintenanceAllowance: maintenance.allowance,
  };
}

/**
 * HAIR-10: the announcement: the maintenance haircut that is coming and the first UTC ms at which it can be reached if the
 * target stays; null when it is there already, or when the rules never let it move.
 */
export function announcedHaircut(
  state: HaircutState,
  rules: HaircutRules,
): { readonly maintenance: Rational; readonly t: number } | null {
  const gap = state.target.minus(state.maintenance).abs();
  if (gap.isZero()) return null;
  if (rules.maintenanceStepPerHour === null) return { maintenance: state.target, t: state.t };
  if (rules.maintenanceStepPerHour.isZero()) return null;
  const missing = gap.minus(state.maintenanceAllowance).times(hourMs).dividedBy(rules.maintenanceStepPerHour);
  return { maintenance: state.target, t: state.t + Number(missing.ceilIn(Rational.one)) };
}

/** The state as JSON: the allowances are fractions, numerator and denominator. */
export interface HaircutRecord {
  readonly initial: string;
  readonly maintenance: string;
  readonly target: string;
  readonly t: number;
  readonly initialAllowance: readonly [numerator: string, denominator: string];
  readonly maintenanceAllowance: readonly [numerator: string, denominator: string];
}

function saveFraction(value: Rational): [string, string] {
  const { numerator, denominator } = value.reduced();
  return [numerator.toString(), denominator.toString()];
}

function loadFraction([numerator, denominator]: readonly [string, string]): Rational {
  return Rational.fraction(BigInt(numerator), BigInt(denominator));
}

export function saveHaircut(state: HaircutState): HaircutRecord {
  return {
    initial: state.initial.toStringUp(),
    maintenance: state.maintenance.toStringUp(),
    target: state.target.toStringUp(),
    t: state.t,
    initialAllowance: saveFraction(state.initialAllowance),
    maintenanceAllowance: saveFraction(state.maintenanceAllowance),
  };
}

export function loadHaircut(record: HaircutRecord): HaircutState {
  return {
    initial: Rational.parse(record.initial),
    maintenance: Rational.parse(record.maintenance),
    target: Rational.parse(record.target),
    t: record.t,
    initialAllowance: loadFraction(record.initialAllowance),
    maintenanceAllowance: loadFraction(record.maintenanceAllowance),
  };
}
