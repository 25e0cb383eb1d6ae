import { Rational } from "#libs/decimal/index.ts";
import type { AssetRules, InstrumentRules, RuleSet } from "#libs/domain/rule-set/types.ts";
import { FloatScale } from "./floats.ts";

/** Thrown when new rules would change what is already on the book; nothing has changed then. */
export class RulesIncompatible extends Error {
  readonly code = "rules_incompatible";
  readonly id: string;
  /** The field that may not change, or `gone`. */
  readonly field: string;
  constructor(id: string, field: string) {
    super(
      field === "gone"
        ? `${id} is in use and cannot be taken from the rules`
        : `${field} of ${id} cannot change while in use`,
    );
    this.name = "RulesIncompatible";
    this.id = id;
    this.field = field;
  }
}

const less = (left: string, right: string): number => (left < right ? -1 : left > right ? 1 : 0);

/** Names of one kind and their dense numbers, in order of first appearance; a number is never given to another name. */
class Names<Rules extends { readonly id: string }> {
  readonly ids: string[] = [];
  /** By number; undefined: not in the present rules. */
  readonly rules: (Rules | undefined)[] = [];
  private readonly numbers = new Map<string, number>();
  /** Numbers of what is in the rules, in order of id. */
  sorted: readonly number[] = [];
  /** By number: its place in `sorted`; −1: not in the present rules. */
  ranks = new Int32Array(0);

  /** The number of a listed name, else −1. */
  number(id: string): number {
    const found = this.numbers.get(id);
    return found !== undefined && this.rules[found] !== undefined ? found : -1;
  }

  reserve(id: string): number {
    const known = this.numbers.get(id);
    if (known !== undefined) return known;
    const number = this.ids.length;
    this.numbers.set(id, number);
    this.ids.push(id);
    this.rules.push(undefined);
    return number;
  }

  replace(next: ReadonlyMap<string, Rules>): void {
    this.rules.fill(undefined);
    for (const [id, rules] of next) this.rules[this.reserve(id)] = rules;
    const all = [...this.ids.keys()].sort((a, b) => less(this.ids[a] as string, this.ids[b] as string));
    this.sorted = all.filter((number) => this.rules[number] !== undefined);
    this.ranks = new Int32Array(all.length).fill(-1);
    for (const [rank, number] of this.sorted.entries()) this.ranks[number] = rank;
  }
}

/** What of an instrument the stored lots and costs depend on. */
const fixedFields = ["kind", "base", "settle", "index"] as const;
const fixedAmounts = ["lot", "multiplier"] as const;

/**
 * Assets and instruments by dense number, with what the hot paths ask of their rules. Numbers follow the order of first
 * appearance in the rules, survive every change of rules and are kept in snapshots.
 */
export class Listing {
  private readonly assets = new Names<AssetRules>();
  private readonly instruments = new Names<InstrumentRules>();
  /** By instrument: number of the settle asset and of the asset whose index it follows; −1: no such asset. */
  private settles: number[] = [];
  private indices: number[] = [];
  /** By asset, by instrument: quanta and lots·multiplier as floats, in units. */
  private assetScales: FloatScale[] = [];
  private exposureScales: FloatScale[] = [];

  get assetCount(): number {
    return this.assets.ids.length;
  }
  get instrumentCount(): number {
    return this.instruments.ids.length;
  }
  get assetIds(): readonly string[] {
    return this.assets.ids;
  }
  get instrumentIds(): readonly string[] {
    return this.instruments.ids;
  }
  /** Numbers of the listed assets in order of id. */
  get sortedAssets(): readonly number[] {
    return this.assets.sorted;
  }
  get sortedInstruments(): readonly number[] {
    return this.instruments.sorted;
  }
  /** By number: place among the listed in order of id, the order of views and hashes. */
  get assetRanks(): Int32Array {
    return this.assets.ranks;
  }
  get instrumentRanks(): Int32Array {
    return this.instruments.ranks;
  }

  /** −1 when the present rules have no such asset. */
  assetIndex(id: string): number {
    return this.assets.number(id);
  }
  instrumentIndex(id: string): number {
    return this.instruments.number(id);
  }

  isAssetListed(asset: number): boolean {
    return this.assets.rules[asset] !== undefined;
  }
  isInstrumentListed(instrument: number): boolean {
    return this.instruments.rules[instrument] !== undefined;
  }

  /** Throws `RangeError` for a number that the present rules do not list. */
  assetRules(asset: number): AssetRules {
    const rules = this.assets.rules[asset];
    if (rules === undefined) throw new RangeError(`no asset ${asset} in the rules`);
    return rules;
  }
  instrumentRules(instrument: number): InstrumentRules {
    const rules = this.instruments.rules[instrument];
    if (rules === undefined) throw new RangeError(`no instrument ${instrument} in the rules`);
    return rules;
  }

  settleIndex(instrument: number): number {
    return this.settles[instrument] as number;
  }
  indexAsset(instrument: number): number {
    return this.indices[instrument] as number;
  }
  assetScale(asset: number): FloatScale {
    return this.assetScales[asset] as FloatScale;
  }
  exposureScale(instrument: number): FloatScale {
    return this.exposureScales[instrument] as FloatScale;
  }

  /** Gives the numbers of a saved book back, in the order in which it had handed them out. */
  reserve(assets: readonly string[], instruments: readonly string[]): void {
    for (const id of assets) this.assets.reserve(id);
    for (const id of instruments) this.instruments.reserve(id);
  }

  /** Throws `RulesIncompatible` if `next` changes what stored amounts of used assets and instruments mean. */
  check(next: RuleSet, assetUsed: (asset: number) => boolean, instrumentUsed: (instrument: number) => boolean): void {
    for (const [number, before] of this.assets.rules.entries()) {
      if (before === undefined || !assetUsed(number)) continue;
      const after = next.assets.get(before.id);
      if (after === undefined) throw new RulesIncompatible(before.id, "gone");
      if (!after.quantum.equals(before.quantum)) throw new RulesIncompatible(before.id, "quantum");
    }
    for (const [number, before] of this.instruments.rules.entries()) {
      if (before === undefined || !instrumentUsed(number)) continue;
      const after = next.instruments.get(before.id);
      if (after === undefined) throw new RulesIncompatible(before.id, "gone");
      for (const field of fixedFields)
        if (after[field] !== before[field]) throw new RulesIncompatible(before.id, field);
      for (const field of fixedAmounts)
        if (!after[field].equals(before[field])) throw new RulesIncompatible(before.id, field);
    }
  }

  /** Takes the assets and instruments of `next`; call `check` before. */
  replace(next: RuleSet): void {
    this.assets.replace(next.assets);
    this.instruments.replace(next.instruments);
    this.assetScales = this.assets.rules.map((rules) => new FloatScale(rules?.quantum ?? Rational.one));
    const unit = (rules: InstrumentRules | undefined): Rational => rules?.lot.times(rules.multiplier) ?? Rational.one;
    this.exposureScales = this.instruments.rules.map((rules) => new FloatScale(unit(rules)));
    this.settles = this.instruments.rules.map((rules) => (rules === undefined ? -1 : this.assetIndex(rules.settle)));
    this.indices = this.instruments.rules.map((rules) => (rules === undefined ? -1 : this.assetIndex(rules.index)));
  }
}
