import type { Operation } from "#libs/contracts/api/commands.ts";
import { limitKeys, limitLevels } from "#libs/domain/rule-set/limit-types.ts";
import { changesRules } from "../payloads.ts";
import { asked, type Field, idsIn, type Values } from "./fields.ts";
import { limitNames } from "./limits.ts";

export type Payload = Readonly<Record<string, unknown>>;

/** A command that is filled in as a form: what is asked for, and the payload that it comes to. */
export interface FormOperation {
  readonly title: string;
  readonly fields: readonly Field[];
  readonly initial: Values;
  /** `marketT`: UTC ms of the market's clock. */
  readonly payload: (values: Values, marketT: number) => Payload;
  /** What has to be typed before it may be sent or approved; null: nothing. */
  readonly confirm: (payload: Payload) => string | null;
  /** Colours its dialogue as what cannot be taken back. */
  readonly dangerous?: true;
}

const text = (value: unknown): string => (typeof value === "string" ? value : "");
const isOut = (payload: Payload): boolean => text(payload["amount"]).startsWith("-");
const minuteMs = 60_000;

const asset: Field = { name: "asset", label: "Asset", kind: { is: "id", of: "asset" } };
const amount: Field = { name: "amount", label: "Amount", hint: "Units of the asset.", kind: { is: "amount" } };
const account: Field = { name: "account", label: "Account", kind: { is: "id", of: "account" } };
const instrument: Field = { name: "instrument", label: "Instrument", kind: { is: "id", of: "instrument" } };
const way = (into: string, out: string): Field => ({
  name: "way",
  label: "Which way",
  kind: {
    is: "choice",
    options: [
      ["in", into],
      ["out", out],
    ],
  },
});
const signedAmount = ({ way: to, amount: size = "" }: Values): string =>
  to === "out" ? `-${size.trim()}` : size.trim();

const levelNames: Readonly<Record<(typeof limitLevels)[number], string>> = {
  exchange: "whole exchange",
  instrument: "instrument",
  tier: "tier of clients",
  entity: "entity",
  account: "account",
  key: "API key of an account",
};
const levelIs =
  (...levels: readonly string[]) =>
  ({ level = "" }: Values): boolean =>
    levels.includes(level);

const limitFields: readonly Field[] = [
  {
    name: "level",
    label: "Level",
    kind: { is: "choice", options: limitLevels.map((level) => [level, levelNames[level]] as const) },
  },
  { ...instrument, name: "of", when: levelIs("instrument") },
  { ...account, name: "of", when: levelIs("account") },
  { name: "of", label: "Tier", kind: { is: "id", of: "tier" }, when: levelIs("tier") },
  { name: "of", label: "Entity", kind: { is: "id", of: "entity" }, when: levelIs("entity") },
  { name: "of", label: "API key", kind: { is: "id", of: "account" }, when: levelIs("key") },
  { ...account, when: levelIs("key") },
  {
    ...instrument,
    optional: true,
    when: levelIs("exchange", "tier", "entity", "account", "key"),
  },
  {
    name: "limit",
    label: "Limit",
    kind: { is: "choice", options: limitKeys.map((key) => [key, limitNames[key][0]] as const) },
  },
  {
    name: "value",
    label: "No more than",
    hint: "Left empty: the limit is lifted.",
    kind: { is: "figure" },
    optional: true,
  },
  { name: "until", label: "For, minutes of the market", hint: "Then it ends by itself.", kind: { is: "minutes" } },
];

/** In the order in which they are listed. */
export const formOperations = {
  fund: {
    title: "Top up or draw down a fund",
    fields: [
      {
        name: "fund",
        label: "Fund",
        kind: {
          is: "choice",
          options: [
            ["insurance", "insurance fund"],
            ["house", "house"],
          ],
        },
      },
      way("top up", "draw down"),
      asset,
      amount,
      { name: "shard", label: "Shard", kind: { is: "id", of: "shard" }, optional: true },
    ],
    initial: { fund: "insurance", way: "in" },
    payload: (values) => ({
      ...given(values, "fund", "asset"),
      amount: signedAmount(values),
      ...given(values, "shard"),
    }),
    confirm: (payload) => (isOut(payload) ? text(payload["asset"]) : null),
  },
  adjust: {
    title: "Adjust an account's cash",
    fields: [account, way("credit", "debit"), asset, amount],
    initial: { way: "in" },
    payload: (values) => ({ ...given(values, "account", "asset"), amount: signedAmount(values) }),
    confirm: (payload) => (isOut(payload) ? text(payload["account"]) : null),
  },
  transfer: {
    title: "Transfer between accounts",
    fields: [{ ...account, name: "from", label: "From" }, { ...account, name: "to", label: "To" }, asset, amount],
    initial: {},
    payload: (values) => given(values, "from", "to", "asset", "amount"),
    confirm: () => null,
  },
  settle: {
    title: "Settle an instrument for good",
    fields: [instrument, { name: "price", label: "Settlement price", kind: { is: "amount" } }],
    initial: {},
    payload: (values) => given(values, "instrument", "price"),
    confirm: (payload) => text(payload["instrument"]),
    dangerous: true,
  },
  deleverage: {
    title: "Deleverage a position",
    fields: [
      account,
      { ...instrument, kind: { is: "id", of: "position" } },
      { name: "qty", label: "Contracts to close", kind: { is: "amount" } },
    ],
    initial: {},
    payload: (values) => given(values, "account", "instrument", "qty"),
    confirm: (payload) => text(payload["account"]),
    dangerous: true,
  },
  limit: {
    title: "Limit for a time",
    fields: limitFields,
    initial: { level: "exchange", limit: "maxPosition", until: "60" },
    payload: (values, marketT) => ({
      ...given(
        values,
        ...asked(limitFields, values)
          .map(({ name }) => name)
          .filter((name) => !own.has(name)),
      ),
      value: (values["value"] ?? "").trim() === "" ? null : values["value"]?.trim(),
      until: marketT + Number(values["until"]) * minuteMs,
    }),
    confirm: () => null,
  },
  entity: {
    title: "Put accounts into an entity",
    fields: [
      { name: "entity", label: "Entity", kind: { is: "id", of: "entity" } },
      {
        name: "accounts",
        label: "Accounts",
        hint: "Apart by commas or blanks; beside those that it has.",
        kind: { is: "ids", of: "account" },
      },
      {
        name: "proposal",
        label: "Detector's proposal",
        hint: "It has to have all of these accounts.",
        kind: { is: "id", of: "account" },
        optional: true,
        when: ({ proposal = "" }) => proposal !== "",
      },
    ],
    initial: {},
    payload: (values) => ({
      ...given(values, "entity"),
      accounts: idsIn(values["accounts"] ?? ""),
      ...given(values, "proposal"),
    }),
    confirm: () => null,
  },
} as const satisfies Partial<Readonly<Record<Operation, FormOperation>>>;
const own = new Set(["value", "until"]);

export type FormName = keyof typeof formOperations;
export const formNames = Object.keys(formOperations) as readonly FormName[];
export const formOf = (name: FormName): FormOperation => formOperations[name];
const isForm = (operation: string): operation is FormName => Object.hasOwn(formOperations, operation);

/** Those of the fields that something stands in. */
function given(values: Values, ...names: readonly string[]): Payload {
  const filled = names.map((name) => [name, (values[name] ?? "").trim()] as const);
  return Object.fromEntries(filled.filter(([, value]) => value !== ""));
}

/** A change of the rules is tried on the live book before it is proposed. */
export const isTriedFirst = (name: FormName): boolean => changesRules(name);

/** A payload as the API gives it back. */
export const asPayload = (payload: unknown): Payload =>
  typeof payload === "object" && payload !== null ? (payload as Payload) : {};

/** What has to be typed to approve a command of a form; null: nothing, or it is none. */
export const typedOf = (operation: string, payload: unknown): string | null =>
  isForm(operation) ? formOf(operation).confirm(asPayload(payload)) : null;
