import { amountPattern, Rational } from "#libs/decimal/index.ts";

export interface CatalogueInstrument {
  readonly settle: string;
  readonly index: string;
  readonly lot: Rational;
  readonly expires: boolean;
}

/** What entries may refer to under one version of the rules. */
export interface Catalogue {
  /** Assets that may be held, with their quantum. */
  readonly assets: ReadonlyMap<string, Rational>;
  /** Everything that may have an index price: assets, and what instruments follow. */
  readonly priced: ReadonlySet<string>;
  readonly instruments: ReadonlyMap<string, CatalogueInstrument>;
  /** Price ids to the sources that have a say. */
  readonly sources: ReadonlyMap<string, ReadonlySet<string>>;
  readonly entities: ReadonlySet<string>;
  /** Accounts that the rules name: providers and members of entities. */
  readonly accounts: ReadonlySet<string>;
}

type Loose = Readonly<Record<string, unknown>>;
const finest = Rational.ofUnits(1n, 18);

const loose = (value: unknown): Loose =>
  typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Loose) : {};
const list = (value: unknown): readonly Loose[] => (Array.isArray(value) ? value.map(loose) : []);
const text = (value: unknown): string | undefined => (typeof value === "string" ? value : undefined);

/** A grain to count in; a document that gives an unusable one is refused elsewhere, so any will do here. */
function grain(value: unknown): Rational {
  if (typeof value !== "string" || !amountPattern.test(value)) return finest;
  const amount = Rational.parse(value);
  return amount.sign > 0 ? amount : finest;
}

function namedAccounts(rules: Loose): Set<string> {
  const accounts = new Set<string>();
  const add = (name: unknown): void => {
    if (typeof name === "string") accounts.add(name);
  };
  list(rules["providers"]).forEach((provider) => add(provider["account"]));
  for (const entity of Object.values(loose(rules["entities"]))) {
    const members = loose(entity)["accounts"];
    if (Array.isArray(members)) members.forEach(add);
  }
  return accounts;
}

/**
 * Reads the names out of a rule document of any shape, so that entries can be held against it even when something else
 * in it is wrong. What an instrument follows may have a price, and an inverse contract's own base may be held, whether or
 * not they stand in the list of assets.
 */
export function catalogueOf(document: unknown): Catalogue {
  const rules = loose(document);
  const assets = new Map<string, Rational>();
  const priced = new Set<string>();
  const instruments = new Map<string, CatalogueInstrument>();
  for (const asset of list(rules["assets"])) {
    const id = text(asset["id"]);
    if (id !== undefined) assets.set(id, grain(asset["quantum"]));
  }
  for (const one of list(rules["instruments"])) {
    const id = text(one["id"]);
    const settle = text(one["settle"]) ?? "";
    const index = text(one["index"]) ?? text(one["base"]) ?? "";
    if (id !== undefined)
      instruments.set(id, { settle, index, lot: grain(one["lot"]), expires: one["expiry"] !== undefined });
    if (settle === one["base"] && !assets.has(settle)) assets.set(settle, finest);
    priced.add(index);
  }
  for (const id of assets.keys()) priced.add(id);
  const sources = Object.entries(loose(loose(rules["marks"])["sources"]));
  return {
    assets,
    priced,
    instruments,
    sources: new Map(sources.map(([id, weights]) => [id, new Set(Object.keys(loose(weights)))])),
    entities: new Set(Object.keys(loose(rules["entities"]))),
    accounts: namedAccounts(rules),
  };
}
