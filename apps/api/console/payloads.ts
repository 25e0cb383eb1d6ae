import type { Halt } from "#libs/contracts/stream/market.ts";

/** Commands that are a change of the rules, as the contract has them; the contract itself would bring the schema library along. */
const ruleOperations = new Set(["emergency", "limit", "rules", "rollback", "entity"]);
export const changesRules = (operation: string): boolean => ruleOperations.has(operation);

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** What a command says, a line for each field; what has parts of its own as JSON. */
export function payloadLines(payload: unknown): readonly (readonly [name: string, value: string])[] {
  if (!isObject(payload)) return [["payload", JSON.stringify(payload) ?? ""]];
  return Object.entries(payload).map(([name, value]) => [
    name,
    typeof value === "string" ? value : JSON.stringify(value),
  ]);
}

const scopes = ["global", "instrument", "account", "entity"] as const;

/** The scope of a halt that is approved, which has to be typed once more; null: another command, which has none. */
export function scopeOf(operation: string, payload: unknown): Pick<Halt, "scope" | "id"> | null {
  if (operation !== "halt" || !isObject(payload)) return null;
  const scope = scopes.find((one) => one === payload["scope"]);
  return scope === undefined ? null : { scope, id: typeof payload["id"] === "string" ? payload["id"] : null };
}
