import { wait } from "#libs/process/backoff.ts";
import { type DepthLevel, onGrid } from "#libs/simulation/depth.ts";
import type { ReplayStep } from "#libs/simulation/market-replay.ts";
import { Random } from "#libs/simulation/random.ts";
import type { OrderDesk } from "./desk.ts";
import type { CrowdPlan, Trader } from "./plan.ts";

/** While the crowd gathers, makers offer this many times their usual depth: positions were opened over weeks, not minutes. */
const gatheringDepth = 10;
/** Steps (a quarter of a minute each) over which the crowd gathers. */
export const gatheringSteps = 120;
/** How far from the index an order may trade. */
const reach = 0.004;
const triesMax = 40;
/** Chance per step that somebody goes home. */
const leaveChance = 0.0004;

/** Quotes of the makers of each contract, anew at every step: deep in calm, thin in stress, as the recording was. */
export async function quote(plan: CrowdPlan, desk: OrderDesk, step: ReplayStep, gathering: boolean): Promise<void> {
  const quotes: Promise<unknown>[] = [];
  for (const [instrument, book] of plan.depth.books(step)) {
    const at = plan.instruments.findIndex(({ id }) => id === instrument);
    const one = plan.instruments[at];
    if (one === undefined) continue;
    const makers = plan.makers.filter((maker) => maker.startsWith(`maker-${at + 1}-`));
    const times = gathering ? gatheringDepth : 1;
    quotes.push(
      Promise.all(makers.map((maker) => desk.cancelAll(maker, instrument))).then(() => {
        const place = (side: "buy" | "sell", levels: readonly DepthLevel[]): Promise<unknown>[] =>
          levels.map(([price, qty], level) => {
            const account = makers[level % makers.length] as string;
            const size = onGrid(Number(qty) * times, one.lot, "down");
            return desk.place({ account, instrument, side, qty: size, price });
          });
        return Promise.all([...place("buy", book.bids), ...place("sell", book.asks)]);
      }),
    );
  }
  await Promise.all(quotes);
}

/** One trader: wants its positions, tries until it has them, and rarely leaves. */
export class Person {
  readonly #trader: Trader;
  readonly #plan: CrowdPlan;
  readonly #chance: Random;
  /** Contracts still wanted, and held, by place of the position. */
  readonly #wanted: number[];
  readonly #held: number[];
  #tries = 0;
  readonly #moment: number;
  readonly startStep: number;

  constructor(trader: Trader, plan: CrowdPlan, number: number, seed: number) {
    this.#trader = trader;
    this.#plan = plan;
    this.#chance = new Random(seed, 1_000_000 + number);
    this.startStep = this.#chance.below(gatheringSteps);
    this.#moment = this.#chance.unit();
    this.#wanted = trader.drawn.positions.map(({ instrument, notionalUsd }) => {
      const one = plan.instruments[instrument];
      return one === undefined ? 0 : notionalUsd / one.mark / one.multiplier;
    });
    this.#held = this.#wanted.map(() => 0);
  }

  get account(): string {
    return this.#trader.account;
  }

  /** `spreadMs`: wall ms within which everybody acts, each at a moment of its own. */
  async act(desk: OrderDesk, step: ReplayStep, number: number, spreadMs: number): Promise<void> {
    if (number < this.startStep) return;
    await wait(this.#moment * spreadMs);
    if (this.#tries < triesMax) {
      this.#tries += 1;
      await Promise.all(this.#trader.drawn.positions.map((_, at) => this.#trade(desk, step, at, false)));
    } else if (this.#chance.chance(leaveChance))
      await Promise.all(this.#trader.drawn.positions.map((_, at) => this.#trade(desk, step, at, true)));
  }

  async #trade(desk: OrderDesk, step: ReplayStep, at: number, leave: boolean): Promise<void> {
    const position = this.#trader.drawn.positions[at];
    const one = position === undefined ? undefined : this.#plan.instruments[position.instrument];
    const index = one === undefined ? undefined : step.indices.get(one.base)?.toNumber();
    if (position === undefined || one === undefined || index === undefined) return;
    const qty = onGrid((leave ? this.#held[at] : this.#wanted[at]) ?? 0, one.lot, "down");
    if (!(Number(qty) * index * one.multiplier >= smallestUsd)) return;
    const long = position.side > 0 !== leave;
    const price = onGrid(index * (1 + (long ? reach : -reach)), one.tick, long ? "down" : "up");
    const { account } = this.#trader;
    const order = { account, instrument: one.id, side: long ? "buy" : "sell", qty, price, ioc: true } as const;
    const filled = Number((await desk.place(leave ? { ...order, reduceOnly: true } : order)).filled);
    if (leave) this.#held[at] = (this.#held[at] ?? 0) - filled;
    else {
      this.#wanted[at] = (this.#wanted[at] ?? 0) - filled;
      this.#held[at] = (this.#held[at] ?? 0) + filled;
    }
  }
}

/** Below it no contract takes an order. */
const smallestUsd = 6;
