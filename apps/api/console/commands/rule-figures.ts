import { compare, isAmount } from "../amounts.ts";
import { instant } from "../format.ts";
import type { Told } from "./figures.ts";
import { figureOf } from "./limits.ts";
import type { Payload } from "./operations.ts";

type Loose = Readonly<Record<string, unknown>>;

/** The rules in force, as the API gives them. */
export interface RulesNow {
  readonly version: number;
  readonly document: Loose;
}

const isObject = (value: unknown): value is Loose =>
  typeof value === "object" && value !== null && !Array.isArray(value);
const at = (value: unknown, ...path: readonly string[]): unknown =>
  path.reduce<unknown>((one, key) => (isObject(one) && Object.hasOwn(one, key) ? one[key] : undefined), value);
const listOf = (value: unknown): readonly Loose[] => (Array.isArray(value) ? value.filter(isObject) : []);
const text = (value: unknown): string => (typeof value === "string" ? value : "");

/** What the rules say of a limit at one level. */
function levelOf(document: Loose, { level, of, account }: Payload): unknown {
  const id = text(of);
  switch (level) {
    case "exchange":
      return document;
    case "instrument":
      return listOf(document["instruments"]).find((one) => one["id"] === id);
    case "tier":
      return at(document, "tiers", id);
    case "entity":
      return at(document, "entities", id);
    case "account":
      return at(document, "accounts", id);
    default:
      return at(document, "accounts", text(account), "keys", id);
  }
}

const placeKeys = ["level", "of", "account", "instrument", "limit"] as const;

function limitFigures(payload: Payload, { document, version }: RulesNow): readonly Told[] {
  const limit = text(payload["limit"]);
  const instrument = text(payload["instrument"]);
  const level = levelOf(document, payload);
  const found = instrument === "" ? at(level, "limits", limit) : at(level, "instruments", instrument, limit);
  const present = typeof found === "number" ? String(found) : text(found);
  const proposed = text(payload["value"]);
  const looser = isAmount(present) && (proposed === "" || (isAmount(proposed) && compare(proposed, present) > 0));
  const replaced = listOf(document["overrides"]).find((one) => placeKeys.every((key) => one[key] === payload[key]));
  return [
    {
      name: "In the rules there",
      value: isAmount(present) ? figureOf(limit, present) : "none",
      note: looser ? "this one is looser" : `version ${version}`,
      ...(looser ? { tone: "warn" } : {}),
    },
    ...(replaced === undefined
      ? []
      : [
          {
            name: "In its place now",
            value: replaced["value"] === null ? "lifted" : figureOf(limit, text(replaced["value"])),
            note: typeof replaced["until"] === "number" ? `until ${instant(replaced["until"])}` : "",
          },
        ]),
  ];
}

function entityFigures(payload: Payload, { document }: RulesNow): readonly Told[] {
  const entity = text(payload["entity"]);
  const entities = document["entities"];
  const own = at(entities, entity, "accounts");
  const held = Array.isArray(own) ? own.length : 0;
  const accounts = Array.isArray(payload["accounts"])
    ? payload["accounts"].filter((one) => typeof one === "string")
    : [];
  const taken = Object.entries(isObject(entities) ? entities : {}).flatMap(([id, one]) => {
    const theirs = at(one, "accounts");
    return id === entity || !Array.isArray(theirs)
      ? []
      : accounts.filter((account) => theirs.includes(account)).map((account) => `${account} is ${id}'s`);
  });
  return [
    { name: "Accounts of it now", value: String(held), note: held === 0 ? "a new entity" : entity },
    ...(taken.length === 0
      ? []
      : [
          {
            name: "Of another already",
            value: String(taken.length),
            note: `${taken.join(", ")}: it will be refused`,
            tone: "bad" as const,
          },
        ]),
  ];
}

/** What the rules in force say of what a command would change in them. */
export function ruleFigures(operation: "limit" | "entity", payload: Payload, rules: RulesNow | null): readonly Told[] {
  if (rules === null) return [];
  return operation === "limit" ? limitFigures(payload, rules) : entityFigures(payload, rules);
}
