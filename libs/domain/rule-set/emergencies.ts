import { Rational } from "#libs/decimal/index.ts";
import type { EmergencyDocument, InstrumentDocument, RuleDocument } from "./documents.ts";

/** A tightening for a time; what is not named stays as it is. Limits for a time are `overrides`. */
const concerns = (one: EmergencyDocument, instrument: string): boolean =>
  one.instrument === undefined || one.instrument === instrument;

const strictest = (texts: readonly (string | undefined)[]): Rational | null => {
  const given = texts.flatMap((text) => (text === undefined ? [] : [Rational.parse(text)]));
  return given.length === 0 ? null : given.reduce((most, one) => Rational.max(most, one));
};

const shown = (value: Rational): string => value.toStringUp();

/** BRK-24: every rate of the tiers times the factor, none above 1. */
function tightened(instrument: InstrumentDocument, factor: Rational): InstrumentDocument {
  if (instrument.tiers === undefined) return instrument;
  const times = (rate: string): string => shown(Rational.min(Rational.one, Rational.parse(rate).times(factor)));
  return {
    ...instrument,
    tiers: instrument.tiers.map(({ from, im, mm }) => ({ from, im: times(im), mm: times(mm) })),
  };
}

/** A threshold is raised, never lowered; the target of a partial close stays as far above where it begins. */
function thresholds(
  document: RuleDocument,
  active: readonly EmergencyDocument[],
): NonNullable<RuleDocument["liquidation"]> {
  const { partialAt = "1.05", fullAt = "1", target = "1.1" } = document.liquidation ?? {};
  const partial = strictest([partialAt, ...active.map((one) => one.partialAt)]) as Rational;
  const full = strictest([fullAt, ...active.map((one) => one.fullAt)]) as Rational;
  const distance = Rational.parse(target).minus(Rational.parse(partialAt));
  return {
    ...document.liquidation,
    partialAt: shown(partial),
    fullAt: shown(full),
    target: shown(Rational.max(Rational.parse(target), partial.plus(distance))),
  };
}

/** BRK-24: the document as it binds while these are in force; of several that concern the same the strictest holds. */
export function underEmergencies(document: RuleDocument, active: readonly EmergencyDocument[]): RuleDocument {
  if (active.length === 0) return document;
  const instruments = document.instruments.map((one) => {
    const factor = strictest(active.filter((each) => concerns(each, one.id)).map((each) => each.marginFactor));
    return factor === null ? one : tightened(one, factor);
  });
  const raises = active.some((one) => one.partialAt !== undefined || one.fullAt !== undefined);
  return { ...document, instruments, ...(raises ? { liquidation: thresholds(document, active) } : {}) };
}

/** Those in force at `t` (UTC ms of the log): until the instant of their end. */
export const activeAt = (document: RuleDocument, t: number): readonly EmergencyDocument[] =>
  (document.emergencies ?? []).filter(({ until }) => t < until);

/** When the next of them ends after `t`; null: none will. */
export function nextEnd(document: RuleDocument, t: number): number | null {
  const ends = activeAt(document, t).map(({ until }) => until);
  return ends.length === 0 ? null : Math.min(...ends);
}
