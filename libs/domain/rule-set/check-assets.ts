import { Rational } from "#libs/decimal/index.ts";
import type { Range, Report } from "./bounds.ts";
import { checkRanges, checkUnique, fraction, natural, positive, rate } from "./bounds.ts";
import type { AssetDocument, SliceDocument } from "./documents.ts";

const assetsMax = 2500;

const assetRanges = {
  quantum: positive,
  sizeCurve: natural,
  liabilityPremium: natural,
  cap: natural,
  platformStart: natural,
  concentration: fraction,
  conversionFee: rate,
  conversionCap: natural,
} satisfies Record<string, Range>;

const haircutRanges = {
  base: fraction,
  min: fraction,
  max: fraction,
  k: natural,
  horizonMinutes: natural,
  decayPerHour: natural,
  maintenanceStepPerHour: natural,
} satisfies Record<string, Range>;

/** Slices rise, weigh between nothing and all, and only the last may be without end. */
function checkSlices(report: Report, path: string, slices: readonly SliceDocument[] | undefined): void {
  let before: Rational | null = null;
  (slices ?? []).forEach((slice, at) => {
    checkRanges(report, `${path}[${at}]`, slice, { weight: fraction, upTo: positive });
    if (slice.upTo === undefined) {
      const last = at + 1 === slices?.length;
      if (!last) report(`${path}[${at}].upTo`, "missing_key", "only the last slice may be without an end");
      return;
    }
    const end = Rational.parse(slice.upTo);
    if (before !== null && end.atMost(before)) {
      report(`${path}[${at}].upTo`, "not_ascending", `${slice.upTo} must be above the end of the slice before`);
    }
    before = end;
  });
}

function checkHaircut(report: Report, path: string, haircut: AssetDocument["haircut"]): void {
  checkRanges(report, path, haircut, haircutRanges);
  if (haircut === undefined) return;
  const min = Rational.parse(haircut.min ?? "0");
  const max = Rational.parse(haircut.max ?? "1");
  if (min.above(max)) report(`${path}.max`, "out_of_range", `max must be at least min, ${min.toStringDown()}`);
}

export function checkAssets(report: Report, assets: readonly AssetDocument[]): void {
  const path = "$.rules.assets";
  // Written out by hand at most 500, and at most one more for each instrument.
  if (assets.length > assetsMax) report(path, "too_many", `at most ${assetsMax} assets`);
  checkUnique(
    report,
    path,
    assets.map(({ id }) => id),
  );
  assets.forEach((asset, at) => {
    const own = `${path}[${at}]`;
    checkRanges(report, own, asset, assetRanges);
    checkSlices(report, `${own}.slices`, asset.slices);
    checkSlices(report, `${own}.initialSlices`, asset.initialSlices);
    checkHaircut(report, `${own}.haircut`, asset.haircut);
  });
}
