import { Rational } from "#libs/decimal/index.ts";
import type { Entry } from "#libs/contracts/log.ts";
import type { RuleDocument } from "#libs/domain/rule-set/documents.ts";
import type { DepthStep, History } from "./histories.ts";
import type { Reading } from "./history-run.ts";

type Step = Entry | DepthStep;

/** The same story told without its producer's numbers, so that entries may be put in between. */
export function unnumbered({ document, steps }: History): History {
  return {
    document,
    steps: steps.map((step): Step => {
      if (step.k === "depth") return step;
      const { source: _source, sourceSeq: _seq, ...rest } = step;
      return rest;
    }),
  };
}

/** Exactly `text · factor`; amounts of facts and rules keep at most 18 decimals. */
function times(text: string, factor: number): string {
  return Rational.parse(text).times(Rational.ofInteger(factor)).toStringDown();
}

function scaledRules(document: RuleDocument, by: number): RuleDocument {
  const up = (one: object, keys: readonly string[]): object =>
    Object.fromEntries(
      Object.entries(one).map(([key, value]) => [
        key,
        keys.includes(key) && typeof value === "string" ? times(value, by) : value,
      ]),
    );
  const slices = (list: { upTo?: string; weight: string }[] | undefined) =>
    list === undefined ? {} : list.map((one) => up(one, ["upTo"]));
  const assets = document.assets.map((one) => ({
    ...up(one, ["quantum", "cap", "platformStart", "conversionCap"]),
    ...(one.slices ? { slices: slices(one.slices) } : {}),
    ...(one.initialSlices ? { initialSlices: slices(one.initialSlices) } : {}),
  }));
  const instruments = document.instruments.map((one) => ({
    ...up(one, ["lot", "minNotional"]),
    tiers: (one.tiers ?? []).map((tier) => up(tier, ["from"])),
  }));
  const providers = document.providers?.map((one) => up(one, ["capacity"]));
  return {
    ...document,
    assets,
    instruments,
    ...(document.fund ? { fund: up(document.fund, ["eventCap"]) } : {}),
    ...(providers ? { providers } : {}),
  } as RuleDocument;
}

/** Everything that counts money or contracts, times a whole number: quanta, lots, floors, caps and amounts. Prices and rates stay. */
export function scaled({ document, steps }: History, by: number): History {
  return {
    document: scaledRules(document, by),
    steps: steps.map((step): Step => {
      if (step.k === "rules") return { ...step, document: scaledRules(step.document, by) };
      if (step.k === "depth") {
        const levels = (side: DepthStep["bids"]) => side.map(([price, qty]) => [price, times(qty, by)] as const);
        return { ...step, bids: levels(step.bids), asks: levels(step.asks) };
      }
      if ("amount" in step) return { ...step, amount: times(step.amount, by) };
      if ("qty" in step) return { ...step, qty: times(step.qty, by) };
      return step;
    }),
  };
}

/** The same story with other names: in entries, providers and entities. */
export function renamed({ document, steps }: History, name: (account: string) => string): History {
  const rename = (rules: RuleDocument): RuleDocument => ({
    ...rules,
    ...(rules.providers ? { providers: rules.providers.map((one) => ({ ...one, account: name(one.account) })) } : {}),
    ...(rules.entities
      ? {
          entities: Object.fromEntries(
            Object.entries(rules.entities).map(([id, one]) => [id, { accounts: one.accounts.map(name) }]),
          ),
        }
      : {}),
  });
  return {
    document: rename(document),
    steps: steps.map((step): Step => {
      if (step.k === "rules") return { ...step, document: rename(step.document) };
      const fields: Record<string, string> = {};
      for (const key of ["account", "from", "to", "buyer", "seller"] as const) {
        const value = (step as unknown as Readonly<Record<string, unknown>>)[key];
        if (typeof value === "string") fields[key] = name(value);
      }
      if (step.k === "halt" && step.scope === "account") fields["id"] = name(step.id ?? "");
      return { ...step, ...fields };
    }),
  };
}

/** Quanta and lots of every account as lines, under the names a function gives; accounts it calls null are left out. */
export function holdings(
  { cash, rows, fractions }: Reading,
  name: (account: string) => string | null = (account) => account,
): string {
  const lines: string[] = [];
  const add = (key: string, what: string): void => {
    const at = key.indexOf(" ");
    const account = name(key.slice(0, at));
    if (account !== null) lines.push(`${account}${key.slice(at)} ${what}`);
  };
  for (const [key, amount] of cash) add(key, String(amount));
  for (const [key, { qty, cost, margin, isolated }] of rows) add(key, `${qty} ${cost} ${margin} ${isolated}`);
  if (name("rounding") !== null)
    for (const [asset, fraction] of fractions) lines.push(`rounding ${asset} ${fraction.isZero() ? "0" : "more"}`);
  return lines.sort().join("\n");
}
