import type { InvariantReport } from "#libs/engine/index.ts";
import type { CrashRun, CrashSample } from "./crash-run.ts";
import { type HaltSpan, ladder, type LadderStage } from "./crash-tally.ts";

/** Closes of one stage, for people: USD and basis points. */
export interface StageOutcome {
  readonly stage: number;
  readonly name: string;
  readonly accounts: number;
  readonly closes: number;
  readonly notionalUsd: number;
  readonly slippageUsd: number;
  readonly slippageBp: number;
  readonly worstSlippageBp: number;
}

/** What one crash did to one exchange: everything a report shows. Amounts in USD unless a name says otherwise. */
export interface CrashOutcome {
  readonly event: string;
  readonly title: string;
  readonly seed: number;
  readonly accounts: number;
  readonly policy: string;
  readonly from: number;
  readonly to: number;
  readonly makers: number;
  readonly kinds: Readonly<Record<string, number>>;
  readonly openInterestAtStartUsd: number;
  readonly openInterestAtEndUsd: number;
  readonly warnings: Readonly<Record<string, number>>;
  readonly topUps: number;
  readonly liquidated: number;
  readonly ended: Readonly<Record<string, number>>;
  readonly stages: readonly StageOutcome[];
  readonly fund: {
    readonly startUsd: number;
    readonly lowestUsd: number;
    readonly endUsd: number;
    readonly paid: Readonly<Record<string, number>>;
  };
  readonly adl: {
    readonly fills: number;
    readonly accounts: number;
    readonly notionalUsd: number;
    readonly neededUsd: number;
    readonly allocations: number;
    readonly top: readonly { readonly account: string; readonly fills: number; readonly notionalUsd: number }[];
    readonly byInstrument: readonly {
      readonly instrument: string;
      readonly notionalUsd: number;
      readonly neededUsd: number;
      readonly fills: number;
    }[];
    /** Largest share of it that fell on one account. */
    readonly largestShare: number;
  };
  readonly lossShared: Readonly<Record<string, { readonly amount: number; readonly accounts: number }>>;
  readonly debtParked: Readonly<Record<string, number>>;
  readonly haircuts: readonly {
    readonly asset: string;
    readonly path: readonly { readonly t: number; readonly initial: number; readonly maintenance: number }[];
  }[];
  readonly halts: readonly HaltSpan[];
  readonly qualities: readonly { readonly id: string; readonly changes: Readonly<Record<string, number>> }[];
  readonly samples: readonly CrashSample[];
  readonly reached: readonly LadderStage[];
  readonly missing: readonly LadderStage[];
  readonly facts: Readonly<Record<string, number>>;
  readonly counters: Readonly<Record<string, number>>;
  readonly frames: number;
  /** Share of accounts whose pools a frame had looked at again, because a price left their safe band. */
  readonly touched: { readonly mean: number; readonly p50: number; readonly p99: number; readonly max: number };
  readonly invariants: InvariantReport;
  readonly invariantsHold: boolean;
  readonly stateHash: string;
}

const stageNames: Readonly<Record<number, string>> = {
  2: "partial",
  3: "full",
  4: "provider",
  5: "fund-backed",
  6: "deleveraging",
  7: "bad debt",
};
const topAccounts = 15;

const sorted = <Value>(map: ReadonlyMap<string, Value>): Record<string, Value> =>
  Object.fromEntries([...map].sort(([left], [right]) => (left < right ? -1 : 1)));

/** The value below which the given share of an ascending list lies. */
export function quantile(ascending: readonly number[], share: number): number {
  if (ascending.length === 0) return 0;
  return ascending[Math.min(ascending.length - 1, Math.floor(share * ascending.length))] as number;
}

function stagesOf(run: CrashRun): StageOutcome[] {
  return [...run.tally.stages]
    .sort(([left], [right]) => left - right)
    .map(([stage, totals]) => ({
      stage,
      name: stageNames[stage] ?? `stage ${stage}`,
      accounts: totals.accounts.size,
      closes: totals.closes,
      notionalUsd: totals.notionalUsd,
      slippageUsd: totals.slippageUsd,
      slippageBp: totals.notionalUsd > 0 ? (totals.slippageUsd / totals.notionalUsd) * 10_000 : 0,
      worstSlippageBp: totals.worstSlippageBp,
    }));
}

function adlOf(run: CrashRun): CrashOutcome["adl"] {
  const { adl } = run.tally;
  const byAccount = [...adl.byAccount].map(([account, one]) => ({ account, ...one }));
  byAccount.sort((left, right) => right.notionalUsd - left.notionalUsd || (left.account < right.account ? -1 : 1));
  const byInstrument = [...adl.byInstrument].map(([instrument, one]) => ({ instrument, ...one }));
  byInstrument.sort((left, right) => right.notionalUsd - left.notionalUsd);
  return {
    fills: adl.fills,
    accounts: adl.byAccount.size,
    notionalUsd: adl.notionalUsd,
    neededUsd: adl.neededUsd,
    allocations: adl.allocations,
    top: byAccount.slice(0, topAccounts),
    byInstrument,
    largestShare: adl.notionalUsd > 0 ? (byAccount[0]?.notionalUsd ?? 0) / adl.notionalUsd : 0,
  };
}

function touchedOf(run: CrashRun): CrashOutcome["touched"] {
  const pools = Math.max(1, run.engine.machine.book.accountCount);
  const shares = run.touched.map((count) => count / pools).sort((left, right) => left - right);
  const mean = shares.reduce((sum, one) => sum + one, 0) / Math.max(1, shares.length);
  return { mean, p50: quantile(shares, 0.5), p99: quantile(shares, 0.99), max: shares.at(-1) ?? 0 };
}

const holds = (value: unknown): boolean => value === true || value === "not applicable";

/** The outcome of a run that is over. Walks the whole book once, for the invariants and the state's hash. */
export function crashOutcome(run: CrashRun): CrashOutcome {
  const { tally, options, manifest, samples, window } = run;
  const invariants = run.engine.invariants();
  const reached = tally.reached();
  const funds = samples.map((one) => one.fundUsd);
  return {
    event: manifest.name,
    title: manifest.title,
    seed: options.seed,
    accounts: options.accounts,
    policy: options.policy,
    from: window.from,
    to: window.to,
    makers: run.makers(),
    kinds: sorted(run.population?.kinds ?? new Map<string, number>()),
    openInterestAtStartUsd: run.openInterestAtStartUsd(),
    openInterestAtEndUsd: samples.at(-1)?.openInterestUsd ?? 0,
    warnings: sorted(tally.warnings),
    topUps: run.topUps,
    liquidated: tally.liquidated.size,
    ended: sorted(tally.ended),
    stages: stagesOf(run),
    fund: {
      startUsd: funds[0] ?? 0,
      lowestUsd: Math.min(...funds),
      endUsd: funds.at(-1) ?? 0,
      paid: sorted(tally.fundPaid),
    },
    adl: adlOf(run),
    lossShared: sorted(
      new Map(
        [...tally.lossShared].map(([asset, { amount, accounts }]) => [asset, { amount, accounts: accounts.size }]),
      ),
    ),
    debtParked: sorted(tally.debtParked),
    haircuts: [...tally.haircuts].map(([asset, path]) => ({ asset, path })),
    halts: tally.halts,
    qualities: [...tally.qualityChanges].map(([id, changes]) => ({ id, changes: sorted(changes) })),
    samples,
    reached: ladder.filter((one) => reached.has(one)),
    missing: ladder.filter((one) => !reached.has(one)),
    facts: sorted(tally.counts),
    counters: { ...run.engine.counters },
    frames: run.frames,
    touched: touchedOf(run),
    invariants,
    invariantsHold: Object.values(invariants).every(holds),
    stateHash: run.engine.stateHash(),
  };
}
