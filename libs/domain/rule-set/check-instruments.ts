import { Rational } from "#libs/decimal/index.ts";
import type { Range, Report } from "./bounds.ts";
import { checkFunding, checkRanges, checkUnique, fraction, natural, positive, rate } from "./bounds.ts";
import { checkLimits } from "./check-limits.ts";
import type { InstrumentDocument } from "./documents.ts";

const ranges = {
  multiplier: positive,
  tick: positive,
  lot: positive,
  minNotional: natural,
  maxLeverage: positive,
  takerFee: rate,
  makerFee: { above: "-1", below: "1" },
  liquidationFee: rate,
  priceBand: natural,
} satisfies Record<string, Range>;

/** Floors rise from zero, both rates never fall, and maintenance never asks for more than initial. */
function checkTiers(report: Report, path: string, tiers: NonNullable<InstrumentDocument["tiers"]>): void {
  if (tiers.length > 100) report(path, "too_many", "at most 100 tiers");
  let before: { from: Rational; im: Rational; mm: Rational } | null = null;
  tiers.forEach((tier, at) => {
    const own = `${path}[${at}]`;
    checkRanges(report, own, tier, { im: fraction, mm: fraction });
    const now = { from: Rational.parse(tier.from), im: Rational.parse(tier.im), mm: Rational.parse(tier.mm) };
    if (now.mm.above(now.im)) report(`${own}.mm`, "out_of_range", `${tier.mm} must be at most im, ${tier.im}`);
    if (before === null) {
      if (!now.from.isZero()) report(`${own}.from`, "out_of_range", `the first tier starts at 0, not at ${tier.from}`);
    } else {
      if (now.from.atMost(before.from)) {
        report(`${own}.from`, "not_ascending", `${tier.from} must be above the floor of the tier before`);
      }
      if (now.im.below(before.im))
        report(`${own}.im`, "not_ascending", `${tier.im} is below the rate of the tier before`);
      if (now.mm.below(before.mm))
        report(`${own}.mm`, "not_ascending", `${tier.mm} is below the rate of the tier before`);
    }
    before = now;
  });
}

/** POS: a linear contract in its own underlying is refused; an inverse one settles in its base. */
function checkSettlement(report: Report, path: string, one: InstrumentDocument, assets: ReadonlySet<string>): void {
  const index = one.index ?? one.base;
  if (!assets.has(one.settle)) report(`${path}.settle`, "unknown_asset", `${one.settle} is not an asset`);
  if (!assets.has(index))
    report(`${path}.${one.index === undefined ? "base" : "index"}`, "unknown_asset", `${index} is not an asset`);
  if (one.kind === "linear" && (one.settle === one.base || one.settle === index)) {
    report(`${path}.settle`, "own_underlying", `a linear contract on ${one.base} cannot be settled in ${one.settle}`);
  }
  if (one.kind === "inverse" && one.settle !== one.base) {
    report(
      `${path}.settle`,
      "wrong_settle",
      `an inverse contract on ${one.base} is settled in ${one.base}, not in ${one.settle}`,
    );
  }
}

function checkOne(report: Report, path: string, one: InstrumentDocument, assets: ReadonlySet<string>): void {
  checkRanges(report, path, one, ranges);
  checkLimits(report, `${path}.limits`, one.limits);
  checkRanges(report, `${path}.sizePremium`, one.sizePremium, { k: natural });
  checkRanges(report, `${path}.oiScaling`, one.oiScaling, { lower: natural, upper: positive });
  if (one.oiScaling && Rational.parse(one.oiScaling.upper).atMost(Rational.parse(one.oiScaling.lower))) {
    report(
      `${path}.oiScaling.upper`,
      "not_ascending",
      `${one.oiScaling.upper} must be above lower, ${one.oiScaling.lower}`,
    );
  }
  const fees = Rational.parse(one.takerFee ?? "0").plus(Rational.parse(one.makerFee ?? "0"));
  if (fees.sign < 0)
    report(`${path}.makerFee`, "out_of_range", "a maker's rebate must not be more than the taker's fee");
  checkFunding(report, `${path}.funding`, one.funding);
  checkTiers(report, `${path}.tiers`, one.tiers ?? []);
  checkSettlement(report, path, one, assets);
}

export function checkInstruments(
  report: Report,
  instruments: readonly InstrumentDocument[],
  assets: ReadonlySet<string>,
): void {
  const path = "$.rules.instruments";
  if (instruments.length > 2000) report(path, "too_many", "at most 2000 instruments");
  checkUnique(
    report,
    path,
    instruments.map(({ id }) => id),
  );
  instruments.forEach((one, at) => checkOne(report, `${path}[${at}]`, one, assets));
}
