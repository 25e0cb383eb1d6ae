import type { Rational } from "#libs/decimal/index.ts";
import { compileRules } from "#libs/domain/rule-set/compile.ts";
import type { RuleDocument } from "#libs/domain/rule-set/documents.ts";
import type { MarkRules } from "#libs/domain/rule-set/types.ts";
import { AccountDraw, type DrawnAccount, type PopulationInstrument } from "#libs/simulation/accounts.ts";
import {
  CalmMarkets,
  CrashDepth,
  populationCollaterals,
  populationInstruments,
} from "#libs/simulation/crash-market.ts";
import { crashRules, providerAccounts, providerCapacityShare } from "#libs/simulation/crash-rules.ts";
import { decimalsOf, defaultDepth } from "#libs/simulation/depth.ts";
import { replaySteps } from "#libs/simulation/market-replay.ts";
import type { RecordedCrash } from "#libs/simulation/recorded-crash.ts";

export interface Trader {
  readonly account: string;
  readonly drawn: DrawnAccount;
}

/** Who trades, with what, on which rules: all of it follows from the recording, the number of traders and the seed. */
export interface CrowdPlan {
  readonly rules: RuleDocument;
  readonly markRules: MarkRules;
  readonly instruments: readonly PopulationInstrument[];
  readonly traders: readonly Trader[];
  readonly makers: readonly string[];
  readonly depth: CrashDepth;
  /** Units of USDT. */
  readonly fund: string;
  readonly house: string;
  readonly makerCash: string;
  readonly providerCash: string;
}

/** Shares of open interest, as in `plimsoll crash`. */
const fundShare = 0.005;
const fundEventShare = 0.05;
const houseShare = 0.02;
const providerCashShare = 0.01;
/** Two to a contract; together they can hold the whole of the crowd's other side. */
const makersPerInstrument = 2;
const makerCashShare = 0.5;
/** Dollars are dollars: one source that never moves, so that the settle asset has an index. */
export const parSource = "par";

export function planCrowd(
  crash: RecordedCrash,
  options: { readonly traders: number; readonly seed: number },
): CrowdPlan {
  const markRules = rulesOf(crash, "1", new Map()).marks;
  const { calm, indices } = warmUp(crash, markRules);
  const instruments = populationInstruments(crash, indices, calm);
  const draw = new AccountDraw(options.seed, instruments, populationCollaterals(crash, indices));
  const traders = Array.from({ length: options.traders }, (_, at) => ({
    account: `trader-${String(at + 1).padStart(4, "0")}`,
    drawn: draw.draw(at),
  }));
  const interest = openInterest(instruments, traders);
  const total = [...interest.values()].reduce((sum, usd) => sum + usd, 0);
  const capacity = new Map(
    instruments.map((one) => {
      const lots = ((interest.get(one.id) ?? 0) * providerCapacityShare) / one.mark / one.multiplier / Number(one.lot);
      return [one.id, (Math.max(1, Math.floor(lots)) * Number(one.lot)).toFixed(decimalsOf(one.lot))] as const;
    }),
  );
  const cash = (share: number): string => Math.max(1, total * share).toFixed(2);
  return {
    rules: documentOf(crash, cash(fundShare * fundEventShare), capacity),
    markRules,
    instruments,
    traders,
    makers: instruments.flatMap((_, at) =>
      Array.from({ length: makersPerInstrument }, (__, of) => `maker-${at + 1}-${of + 1}`),
    ),
    depth: new CrashDepth(defaultDepth, calm, crash.manifest.instruments, interest),
    fund: cash(fundShare),
    house: cash(houseShare),
    makerCash: cash(makerCashShare),
    providerCash: cash(providerCashShare),
  };
}

function documentOf(
  crash: RecordedCrash,
  fundEventCapUsd: string,
  providerCapacity: ReadonlyMap<string, string>,
): RuleDocument {
  const document = crashRules(crash, { policy: "queue", fundEventCapUsd, providerCapacity, settlePrices: new Map() });
  const sources = { ...document.marks?.sources, USDT: { [parSource]: "1" } };
  return { ...document, marks: { ...document.marks, sources } };
}

function rulesOf(crash: RecordedCrash, cap: string, capacity: ReadonlyMap<string, string>) {
  const { rules, problems } = compileRules(documentOf(crash, cap, capacity), 1);
  if (problems.length > 0) throw new Error(`the rules of the crash cannot be used: ${JSON.stringify(problems)}`);
  return rules;
}

function warmUp(crash: RecordedCrash, rules: MarkRules) {
  const calm = new CalmMarkets();
  let indices: ReadonlyMap<string, Rational> = new Map();
  for (const step of replaySteps(crash, rules)) {
    if (!step.warmup) break;
    calm.add(step);
    indices = new Map(step.indices);
  }
  return { calm, indices };
}

/** By instrument: the larger side of what the traders want, USD. */
function openInterest(
  instruments: readonly PopulationInstrument[],
  traders: readonly Trader[],
): ReadonlyMap<string, number> {
  const sides = instruments.map(() => ({ long: 0, short: 0 }));
  for (const { drawn } of traders)
    for (const { instrument, notionalUsd, side } of drawn.positions) {
      const at = sides[instrument];
      if (at !== undefined) at[side > 0 ? "long" : "short"] += notionalUsd;
    }
  return new Map(instruments.map((one, at) => [one.id, Math.max(sides[at]?.long ?? 0, sides[at]?.short ?? 0)]));
}

/** Every account that must hold money before anybody trades: `[account, asset, units]`. */
export function* startingCash(plan: CrowdPlan): Generator<readonly [account: string, asset: string, amount: string]> {
  for (const maker of plan.makers) yield [maker, "USDT", plan.makerCash];
  for (const provider of providerAccounts) yield [provider, "USDT", plan.providerCash];
  for (const { account, drawn } of plan.traders)
    for (const [asset, units] of drawn.deposits) yield [account, asset, Math.max(units, 0.0001).toFixed(6)];
}
