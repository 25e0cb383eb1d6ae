import { compileRules } from "#libs/domain/rule-set/compile.ts";
import type { RuleDocument } from "#libs/domain/rule-set/documents.ts";
import type { RuleSet } from "#libs/domain/rule-set/types.ts";
import { InstrumentBook, type Resting } from "./book.ts";
import type { Floor } from "./floor.ts";
import { Grid, Owners } from "./grid.ts";

/** Thrown for rules that do not compile; the risk backend has refused them too. */
export class RulesUnusable extends Error {
  constructor(version: number, problem: string) {
    super(`rules ${version} cannot be used: ${problem}`);
    this.name = "RulesUnusable";
  }
}

function compiled(document: RuleDocument, version: number): RuleSet {
  const { rules, problems } = compileRules(document, version);
  const [first] = problems;
  if (first !== undefined) throw new RulesUnusable(version, `${first.path} ${first.message}`);
  return rules;
}

/** null: these rules can be used. */
export function whyUnusable(document: RuleDocument, version: number): string | null {
  try {
    compiled(document, version);
    return null;
  } catch (error) {
    if (error instanceof RulesUnusable) return error.message;
    throw error;
  }
}

/** The instruments that a book can be kept of: a book needs a tick. */
function gridsOf(rules: RuleSet): Map<string, Grid> {
  const grids = new Map<string, Grid>();
  for (const one of rules.instruments.values()) {
    const asset = rules.assets.get(one.settle);
    if (asset !== undefined && one.tick !== null) grids.set(one.id, new Grid(one, asset.quantum));
  }
  return grids;
}

/** What is kept of an instrument that the rules no longer have as it was, while positions in it are left. */
export interface Retired {
  readonly id: string;
  readonly version: number;
  readonly document: RuleDocument;
}

const retiredGrid = ({ id, version, document }: Retired): Grid => gridsOf(compiled(document, version)).get(id) as Grid;

/** The rules with one instrument alone: enough to tell its grid again. */
function alone(id: string, { assets, instruments }: RuleDocument): RuleDocument {
  return { assets, instruments: instruments.filter((one) => one.id === id) };
}

/**
 * Takes new rules: instruments come and go, grids change. Resting orders that the new grid cannot express are cancelled, the others
 * keep their place; those of an instrument that is gone go too. Positions are kept in lots: an instrument whose lots would mean
 * something else while positions are left in it (the risk backend refuses such rules) stays as it was, and closed.
 */
export function useRules(floor: Floor, version: number, document: RuleDocument): void {
  if (version <= floor.ruleVersion) return;
  const rules = compiled(document, version);
  const next = gridsOf(rules);
  for (const [id, before] of floor.grids) {
    const after = next.get(id);
    if (after?.sameSteps(before) === true) continue;
    if (after?.sameLots(before) === true) regrid(floor, before, after);
    else {
      cancelAllOf(floor, id);
      if (floor.positions.any(id)) {
        next.set(id, before);
        if (!floor.retired.has(id))
          floor.retired.set(id, { id, version: floor.ruleVersion, document: alone(id, floor.document) });
        continue;
      }
      floor.books.delete(id);
    }
  }
  for (const id of floor.retired.keys()) if (next.get(id) !== floor.grids.get(id)) floor.retired.delete(id);
  floor.adopt(next, new Owners(rules, floor.owners.shards), version, document);
}

/** What a floor knew of its rules, from a snapshot. */
export function restoreRules(floor: Floor, version: number, document: RuleDocument, retired: readonly Retired[]): void {
  const rules = compiled(document, version);
  const grids = gridsOf(rules);
  for (const one of retired) {
    grids.set(one.id, retiredGrid(one));
    floor.retired.set(one.id, one);
  }
  floor.adopt(grids, new Owners(rules, floor.owners.shards), version, document);
}

/** Trading in it is over: what rests is cancelled, positions go as the facts of their settling are read. */
export function expire(floor: Floor, instrument: string): void {
  if (floor.expired.has(instrument) || !floor.grids.has(instrument)) return;
  floor.expired.add(instrument);
  cancelAllOf(floor, instrument);
}

function cancelAllOf(floor: Floor, instrument: string): void {
  for (const order of ordersOf(floor, instrument)) floor.cancel(order);
}

/** In the order of their places in the queues. */
const ordersOf = (floor: Floor, instrument: string): Resting[] =>
  [...floor.orders.values()].filter((one) => one.instrument === instrument).sort((left, right) => left.no - right.no);

/** The same lots on other ticks: what stands between the new ticks goes, the rest is put back as it stood. */
function regrid(floor: Floor, before: Grid, after: Grid): void {
  const kept = ordersOf(floor, before.id).flatMap((order): [Resting, number][] => {
    const price = after.ticksOf(before.priceText(order.price));
    if (price !== null) return [[order, price]];
    floor.cancel(order);
    return [];
  });
  floor.books.set(before.id, new InstrumentBook(before.id));
  for (const [order, price] of kept) {
    floor.unlist(order);
    floor.rest({ ...order, price });
  }
}
