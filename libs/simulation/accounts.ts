import { Categorical, Random } from "./random.ts";

/** An instrument as the population sees it at the start; prices in USD. */
export interface PopulationInstrument {
  readonly id: string;
  readonly kind: "linear" | "inverse";
  readonly base: string;
  readonly settle: string;
  readonly multiplier: number;
  readonly tick: string;
  readonly lot: string;
  readonly mark: number;
  readonly maxLeverage: number;
  /** Ascending by floor, USD. */
  readonly tiers: readonly {
    readonly floorUsd: number;
    readonly maintenanceRate: number;
    readonly maxLeverage: number;
  }[];
  /** How popular it is. */
  readonly weight: number;
}

export interface PopulationCollateral {
  readonly asset: string;
  /** USD. */
  readonly price: number;
  /** What one dollar of it counts, after weight and haircut. */
  readonly factor: number;
}

export type AccountKind = "retail" | "whale" | "hedger" | "basis";

export interface DrawnPosition {
  /** Place in the list of instruments. */
  readonly instrument: number;
  readonly notionalUsd: number;
  /** 1 long, -1 short. */
  readonly side: 1 | -1;
}

/** One account as drawn: what it holds, with what leverage, against which collateral. */
export interface DrawnAccount {
  readonly kind: AccountKind;
  readonly isolated: boolean;
  /** Equity is the notional over this. */
  readonly leverage: number;
  readonly positions: readonly DrawnPosition[];
  /** Units of each asset. */
  readonly deposits: ReadonlyMap<string, number>;
}

const kinds = new Categorical<AccountKind>([
  ["retail", 0.93],
  ["whale", 0.015],
  ["hedger", 0.035],
  ["basis", 0.02],
]);
const positionCounts = new Categorical<number>([
  [1, 0.6],
  [2, 0.2],
  [3, 0.1],
  [4, 0.06],
  [5, 0.04],
]);
/** Most trade between 2x and 20x; a tail lives on the edge. */
const leverageBands = new Categorical<readonly [low: number, high: number]>([
  [[2, 3], 0.1],
  [[3, 20], 0.65],
  [[20, 50], 0.18],
  [[50, 100], 0.07],
]);
type Mix = readonly (readonly [asset: string, share: number])[];
/** What retail deposits: mixes whose assets a crash does not have are left out. */
const mixes: readonly (readonly [mix: Mix, weight: number])[] = [
  [[["USDT", 1]], 0.66],
  [[["BTC", 1]], 0.12],
  [[["ETH", 1]], 0.07],
  [
    [
      ["USDT", 0.5],
      ["BTC", 0.5],
    ],
    0.06,
  ],
  [[["UST", 1]], 0.06],
  [
    [
      ["LUNA", 0.7],
      ["USDT", 0.3],
    ],
    0.04,
  ],
  [
    [
      ["FTT", 0.7],
      ["USDT", 0.3],
    ],
    0.06,
  ],
];
/** Equity above this is not put into thin collateral, whose weights fall with size. */
const thinCollateralUsdMax = 100_000;
const isolatedShare = 0.3;
const crowdLongShare = 0.58;
/** How often a further position points the way of the first. */
const sameWayShare = 0.75;
/** Equity at the start is at least this many maintenance requirements. */
const maintenanceCover = 2;
const depositMargin = 1.02;

/** Draws accounts: the same seed and number give the same account, whichever others are drawn. */
export class AccountDraw {
  readonly instruments: readonly PopulationInstrument[];
  readonly #collaterals: ReadonlyMap<string, PopulationCollateral>;
  readonly #seed: number;
  readonly #choice: Categorical<number>;
  readonly #mixes: Categorical<Mix>;
  readonly #hedges: readonly number[];

  constructor(
    seed: number,
    instruments: readonly PopulationInstrument[],
    collaterals: readonly PopulationCollateral[],
  ) {
    this.#seed = seed;
    this.instruments = instruments;
    this.#collaterals = new Map(collaterals.map((one) => [one.asset, one]));
    this.#choice = new Categorical(instruments.map((one, at) => [at, one.weight] as const));
    this.#mixes = new Categorical(mixes.filter(([mix]) => mix.every(([asset]) => this.#collaterals.has(asset))));
    // Hedgers hold the coin of the first instrument and short whatever follows it.
    this.#hedges = instruments.flatMap((one, at) => (one.base === instruments[0]?.base ? [at] : []));
  }

  /** Account number `number`; `random` is handed back for whoever needs further chance of the same account. */
  draw(number: number): DrawnAccount {
    const random = new Random(this.#seed, number + 1);
    const kind = kinds.draw(random);
    if (kind === "hedger") return this.#hedger(random);
    if (kind === "basis" && this.#hedges.length > 1) return this.#basis(random);
    return this.#trader(random, kind === "whale" ? "whale" : "retail");
  }

  #trader(random: Random, kind: "retail" | "whale"): DrawnAccount {
    const count = Math.min(positionCounts.draw(random), this.instruments.length);
    const chosen = new Set<number>();
    while (chosen.size < count) chosen.add(this.#choice.draw(random));
    const first: 1 | -1 = random.chance(crowdLongShare) ? 1 : -1;
    const positions = [...chosen].map((instrument, at): DrawnPosition => {
      const side = at === 0 || random.chance(sameWayShare) ? first : first === 1 ? -1 : 1;
      return { instrument, notionalUsd: this.#notional(random, kind, instrument), side };
    });
    const [low, high] = leverageBands.draw(random);
    const wished = kind === "whale" ? random.logUniform(2, 10) : random.logUniform(low, high);
    const isolated = kind === "retail" && random.chance(isolatedShare);
    const leverage = Math.min(wished, ...positions.map((one) => this.leverageMax(one)));
    const deposits = isolated
      ? this.#isolatedDeposits(random, positions, leverage)
      : this.#crossDeposits(random, positions, leverage);
    return { kind, isolated, leverage, positions, deposits };
  }

  /** The most leverage a position of this size may start with: below its tier's, and twice covered against maintenance. */
  leverageMax(position: DrawnPosition): number {
    const { tiers, maxLeverage } = this.instruments[position.instrument] as PopulationInstrument;
    const tier = tiers.findLast((one) => one.floorUsd <= position.notionalUsd) ?? tiers[0];
    if (tier === undefined) return maxLeverage;
    return Math.max(1, Math.min(maxLeverage, 0.8 * tier.maxLeverage, 1 / (maintenanceCover * tier.maintenanceRate)));
  }

  #notional(random: Random, kind: "retail" | "whale", instrument: number): number {
    const major = (this.instruments[instrument] as PopulationInstrument).maxLeverage >= 50;
    const drawn =
      kind === "whale"
        ? random.pareto(200_000, 1.2)
        : random.chance(0.02)
          ? random.pareto(40_000, 1.4)
          : random.lognormal(1_500, 1.5);
    return Math.max(100, Math.min(drawn, major ? 8_000_000 : 600_000));
  }

  #crossDeposits(random: Random, positions: readonly DrawnPosition[], leverage: number): ReadonlyMap<string, number> {
    const equityUsd = (positions.reduce((sum, one) => sum + one.notionalUsd, 0) / leverage) * depositMargin;
    const drawn = this.#mixes.draw(random);
    const thin = drawn.some(([asset]) => asset !== "USDT" && asset !== "BTC" && asset !== "ETH");
    const mix: Mix = thin && equityUsd > thinCollateralUsdMax ? [["USDT", 1]] : drawn;
    return new Map(mix.map(([asset, share]) => [asset, this.#units(asset, equityUsd * share)]));
  }

  /** An isolated margin is in the settle asset of its instrument. */
  #isolatedDeposits(
    random: Random,
    positions: readonly DrawnPosition[],
    leverage: number,
  ): ReadonlyMap<string, number> {
    const deposits = new Map<string, number>();
    // More than any entry price away from the mark can ask for.
    const spare = random.uniform(1.15, 1.6);
    for (const { instrument, notionalUsd } of positions) {
      const { settle } = this.instruments[instrument] as PopulationInstrument;
      const price = this.#collaterals.get(settle)?.price ?? 1;
      deposits.set(settle, (deposits.get(settle) ?? 0) + ((notionalUsd / leverage) * spare) / price);
    }
    return deposits;
  }

  /** Coins in the account, as many short: nothing to lose but the haircut. */
  #hedger(random: Random): DrawnAccount {
    const at = this.#hedges[random.below(this.#hedges.length)] as number;
    const instrument = this.instruments[at] as PopulationInstrument;
    const notionalUsd = Math.min(random.lognormal(30_000, 1.3), 5_000_000);
    const coins = notionalUsd / instrument.mark;
    return {
      kind: "hedger",
      isolated: false,
      leverage: 1,
      positions: [{ instrument: at, notionalUsd: notionalUsd * random.uniform(0.8, 1), side: -1 }],
      deposits: new Map([[instrument.base, coins]]),
    };
  }

  /** Long one contract on the coin, short the other, a quarter of it in coins and a quarter in dollars. */
  #basis(random: Random): DrawnAccount {
    const [one, other] = random.chance(0.5) ? this.#hedges : [this.#hedges[1], this.#hedges[0]];
    const notionalUsd = Math.min(random.lognormal(60_000, 1.2), 5_000_000);
    const { base, mark } = this.instruments[one as number] as PopulationInstrument;
    return {
      kind: "basis",
      isolated: false,
      leverage: 2,
      positions: [
        { instrument: one as number, notionalUsd, side: 1 },
        { instrument: other as number, notionalUsd, side: -1 },
      ],
      deposits: new Map([
        [base, notionalUsd / 4 / mark],
        ["USDT", notionalUsd / 4],
      ]),
    };
  }

  /** Units of an asset that count as much as these dollars. */
  #units(asset: string, usd: number): number {
    const collateral = this.#collaterals.get(asset);
    if (collateral === undefined) return usd;
    return usd / collateral.factor / collateral.price;
  }
}
