import { Rational } from "#libs/decimal/index.ts";
import type { Binding } from "#libs/domain/limits/effective.ts";
import type { RefusalCode } from "./codes.ts";
import { type Finding, measured, stated } from "./codes.ts";

/** A measure against a figure. */
export function atMost(code: RefusalCode, value: Rational, most: Binding): Finding | null {
  return value.above(most.value) ? measured(code, value, most.value, most.source) : null;
}

/** A measure against a share of something else, which may be nothing. */
export function atMostShare(code: RefusalCode, value: Rational, share: Binding, of: Rational): Finding | null {
  const most = share.value.times(Rational.max(of, Rational.zero));
  return value.above(most) ? measured(code, value, most, share.source) : null;
}

/** A measure that an order may lower though it is above its figure: refused only if the order takes it further. */
export function notFurther(code: RefusalCode, before: Rational, after: Rational, most: Binding): Finding | null {
  return after.above(before) ? atMost(code, after, most) : null;
}

/** What has been counted, with one more. */
export function oneMore(code: RefusalCode, before: number, most: Binding): Finding | null {
  return atMost(code, Rational.ofInteger(before + 1), most);
}

/** A loss that has reached its share of what it is measured from; without anything to measure from there is none. */
export function lossReached(code: RefusalCode, loss: Rational, share: Binding, from: Rational): Finding | null {
  if (from.sign <= 0 || loss.sign <= 0) return null;
  const most = share.value.times(from);
  return loss.atLeast(most) ? measured(code, loss, most, share.source) : null;
}

/** `short`: contracts that the account would be short. */
export function shortBan(short: Rational, banned: boolean): Finding | null {
  return banned && short.sign > 0 ? measured("short_ban", short, Rational.zero) : null;
}

export function locate(short: Rational, located: Rational): Finding | null {
  return short.sign > 0 && short.above(located) ? measured("locate", short, located) : null;
}

/** `by`: the level that forbids the instrument; null: none does. */
export function instrumentRestricted(instrument: string, by: string | null): Finding | null {
  return by === null ? null : stated("instrument_restricted", instrument, by);
}
