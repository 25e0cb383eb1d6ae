import type { Operation } from "#libs/contracts/api/commands.ts";
import { isAmount, magnitude } from "../amounts.ts";
import { scopeText, stateMeaning, stateWords, haltStates } from "../exchange-state.ts";
import { exact, instant } from "../format.ts";
import { scopeOf } from "../payloads.ts";
import { figureOf, isLimit, limitNames } from "./limits.ts";
import type { Payload } from "./operations.ts";

const text = (value: unknown): string => (typeof value === "string" ? value : "");
const number = (value: unknown): string => (typeof value === "number" ? String(value) : "");
const amount = (value: unknown): string => (isAmount(text(value)) ? exact(magnitude(text(value))) : "–");
const isOut = (payload: Payload): boolean => text(payload["amount"]).startsWith("-");
const money = (payload: Payload): string => `${amount(payload["amount"])} ${text(payload["asset"])}`;
const fundName = (fund: unknown): string => (fund === "house" ? "the house" : "the insurance fund");
const list = (value: unknown): readonly string[] =>
  Array.isArray(value) ? value.filter((one): one is string => typeof one === "string") : [];

function halt(payload: Payload): string {
  const scope = scopeOf("halt", payload);
  const state = haltStates.find((one) => one === payload["state"]);
  if (scope === null || state === undefined) return "Changes the state of a scope.";
  const whom = scopeText(scope);
  return state === "normal"
    ? `Releases ${whom}: ${stateMeaning.normal}`
    : `${whom}: ${stateWords[state]}. ${stateMeaning[state]}`;
}

/** What was refused may have said any number. */
const timeMax = 8.64e15;
const untilText = (until: unknown): string =>
  typeof until === "number" && until >= 0 && until <= timeMax ? ` until ${instant(until)} UTC` : "";

/** Whom a limit binds. */
function boundBy({ level, of, account, instrument }: Payload): string {
  const where =
    level === "exchange"
      ? "the whole exchange"
      : level === "key"
        ? `API key ${text(of)} of account ${text(account)}`
        : `${text(level)} ${text(of)}`;
  return text(instrument) === "" ? where : `${where}, on ${text(instrument)}`;
}

function limit(payload: Payload): string {
  const name = text(payload["limit"]);
  const what = isLimit(name) ? limitNames[name][0] : name;
  const until = untilText(payload["until"]);
  const value = text(payload["value"]);
  if (value === "") return `Lifts a limit of ${boundBy(payload)}${until}: ${what}.`;
  return `Limits ${boundBy(payload)}${until}: ${what}, no more than ${isAmount(value) ? figureOf(name, value) : value}.`;
}

function emergency({ instrument, marginFactor, partialAt, fullAt, until }: Payload): string {
  const parts = [
    text(marginFactor) === "" ? null : `margins times ${text(marginFactor)}`,
    text(partialAt) === "" ? null : `partial liquidation at ${text(partialAt)}`,
    text(fullAt) === "" ? null : `full liquidation at ${text(fullAt)}`,
  ].filter((part) => part !== null);
  const where = text(instrument) === "" ? "every instrument" : text(instrument);
  return `On ${where} ${parts.join(", ")}${untilText(until)}.`;
}

const sentences: Readonly<Record<Operation, (payload: Payload) => string>> = {
  halt,
  limit,
  emergency,
  fund: (payload) =>
    isOut(payload)
      ? `Takes ${money(payload)} out of ${fundName(payload["fund"])}.`
      : `Puts ${money(payload)} into ${fundName(payload["fund"])}.`,
  adjust: (payload) =>
    isOut(payload)
      ? `Takes ${money(payload)} from account ${text(payload["account"])}, as money that has left the exchange.`
      : `Gives account ${text(payload["account"])} ${money(payload)}, as money that has come from outside.`,
  transfer: (payload) =>
    `Moves ${money(payload)} from account ${text(payload["from"])} to account ${text(payload["to"])}.`,
  settle: (payload) =>
    `Stops ${text(payload["instrument"])} for good: orders are cancelled, every position settles at ${amount(payload["price"])}.`,
  deleverage: (payload) =>
    `Closes ${amount(payload["qty"])} contracts of ${text(payload["account"])}'s ${text(payload["instrument"])} at its mark against the head of the other side's queue.`,
  entity: (payload) =>
    `Makes ${list(payload["accounts"]).join(", ") || "these accounts"} ${text(payload["entity"])}'s, who may read them then and whose limits count them together${payload["proposal"] === undefined ? "" : ", as the detector proposed"}.`,
  saga: (payload) =>
    payload["action"] === "park"
      ? `Parks liquidation ${text(payload["saga"])} of shard ${text(payload["shard"])} at the next edge of a step, with its account paused.`
      : `Lets liquidation ${text(payload["saga"])} of shard ${text(payload["shard"])} go on.`,
  rules: ({ base, document }) =>
    `${document === undefined ? "Changes the rules" : "Puts whole new rules into force"}, made from version ${number(base)}.`,
  rollback: ({ base, version }) => `Brings the rules of version ${number(version)} back, in place of ${number(base)}.`,
};

const isKnown = (operation: string): operation is Operation => Object.hasOwn(sentences, operation);

/** What a command does, in one sentence: the same where it is sent, listed and approved. */
export function commandSentence(operation: string, payload: unknown): string {
  const known = typeof payload === "object" && payload !== null && isKnown(operation);
  return known ? sentences[operation](payload as Payload) : operation;
}
