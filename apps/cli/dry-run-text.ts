import type { DryRunAccount, DryRunMoney, DryRunResult } from "#libs/contracts/live/dry-run.ts";
import type { Style } from "./output.ts";

const moneyText = ({ equity, im, mm }: DryRunMoney): string => `equity ${equity}  im ${im}  mm ${mm}`;

function reasonsOf({ pools, warnings, refusals, outcome, convertsUsd }: DryRunAccount): string[] {
  const poolOf = (instrument: string | null): string => instrument ?? "cross";
  return [
    ...pools.map((one) => `${poolOf(one.instrument)}: ${one.before} -> ${one.after}, closes ${one.closes} USD`),
    ...(outcome === "converted" || convertsUsd !== "0" ? [`debts are converted: ${convertsUsd} USD sold`] : []),
    ...warnings.map((one) => `${poolOf(one.instrument)}: warning at ${one.level}`),
    ...refusals.map(({ instrument, side, codes, numbers }) => {
      const whys = codes.map((code) => {
        const bound = numbers[code];
        return bound === undefined ? code : `${code} (${bound.value} against ${bound.bound})`;
      });
      return `${instrument === null ? "as it stands" : `${side ?? ""} ${instrument}`}: ${whys.join(", ")}`;
    }),
  ];
}

/** A dry run for people. */
export function dryRunText(shard: string, seq: number, result: DryRunResult, paint: Style): string[] {
  const { totals, accounts, entries, ruleVersion } = result;
  const outcomes = Object.entries(totals.outcomes).map(([outcome, count]) => `${count} ${outcome}`);
  const codes = Object.entries(totals.refusedBy).map(([code, count]) => `${count} ${code}`);
  return [
    paint.strong(`shard ${shard}, entry ${entries} (log position ${seq}), against rule version ${ruleVersion}`),
    `  ${totals.judged} accounts judged${totals.unpriced === 0 ? "" : `, ${totals.unpriced} without a price`}`,
    `  ${outcomes.join(", ")}`,
    ...(codes.length === 0 ? [] : [`  refused for: ${codes.join(", ")}`]),
    `  before   ${moneyText(totals.before)}`,
    `  after    ${moneyText(totals.after)}`,
    `  closes   ${totals.closesUsd} USD; sold for debts ${totals.convertsUsd} USD; initial margin missing ${totals.initialMarginMissingUsd} USD more than today`,
    ...accounts.flatMap((one) => [
      `  ${paint.strong(one.account)} ${one.outcome}`,
      `    before ${moneyText(one.before)}`,
      `    after  ${moneyText(one.after)}`,
      ...reasonsOf(one).map((reason) => `    ${reason}`),
    ]),
  ];
}
