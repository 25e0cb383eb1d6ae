import type { TSchema } from "typebox";
import { Compile } from "typebox/compile";
import type { ProblemCode, ProblemList } from "./problems.ts";
import { joinPath, shown } from "./problems.ts";

/**
 * The part of JSON Schema that our schemas use. The schema library checks a value quickly; this reader of the same
 * schema says everything that is wrong with one, with our codes and paths, for as long as the list has room.
 */
interface Node {
  readonly type?: "object" | "array" | "string" | "integer" | "boolean";
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly title?: string;
  readonly pattern?: string;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly properties?: Readonly<Record<string, Node>>;
  readonly patternProperties?: Readonly<Record<string, Node>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: boolean;
  readonly items?: Node | readonly Node[];
}

const patterns = new Map<string, RegExp>();
function matcher(pattern: string): RegExp {
  const known = patterns.get(pattern) ?? new RegExp(pattern, "u");
  patterns.set(pattern, known);
  return known;
}

const titles: Readonly<Record<string, readonly [code: ProblemCode, what: string]>> = {
  amount: ["not_an_amount", "a decimal string of at most 20 digits before and 18 after the point"],
  id: ["not_an_id", "an id of 1 to 64 letters, digits, _ or -"],
  text: ["not_permitted", "at most 200 characters without control characters"],
};

const article = (type: string): string =>
  type === "object" || type === "array" || type === "integer" ? `an ${type}` : `a ${type}`;

function checkString(node: Node, value: unknown, path: string, problems: ProblemList): void {
  const [code, what] = titles[node.title ?? ""] ?? ["not_permitted", "a string"];
  if (typeof value === "number" && node.title === "amount") {
    problems.add(path, "number_not_string", `${shown(value)} must be written as a string: "${shown(value)}"`);
  } else if (typeof value !== "string") {
    problems.add(path, "wrong_type", `expected ${what}, found ${shown(value)}`);
  } else if (node.pattern !== undefined && !matcher(node.pattern).test(value)) {
    problems.add(path, code, `expected ${what}, found ${shown(value)}`);
  }
}

function checkInteger(node: Node, value: unknown, path: string, problems: ProblemList): void {
  if (typeof value !== "number") return problems.add(path, "wrong_type", `expected an integer, found ${shown(value)}`);
  const inside = Number.isSafeInteger(value) && value >= (node.minimum ?? value) && value <= (node.maximum ?? value);
  const from = node.minimum === undefined || node.minimum < 0 ? "" : ` of at least ${node.minimum}`;
  if (!inside) problems.add(path, "out_of_range", `expected a whole number${from}, found ${shown(value)}`);
}

function checkArray(node: Node, value: unknown, path: string, problems: ProblemList): void {
  if (!Array.isArray(value)) return problems.add(path, "wrong_type", `expected a list, found ${shown(value)}`);
  const { minItems = 0, maxItems = Array.isArray(node.items) ? node.items.length : Infinity } = node;
  if (value.length < minItems)
    problems.add(path, "too_few", `expected at least ${minItems} items, found ${value.length}`);
  if (value.length > maxItems)
    problems.add(path, "too_many", `expected at most ${maxItems} items, found ${value.length}`);
  for (let at = 0; at < value.length && at < maxItems && !problems.full; at += 1) {
    const item = Array.isArray(node.items) ? (node.items as readonly Node[])[at] : (node.items as Node);
    if (item !== undefined) checkShape(item, value[at], joinPath(path, at), problems);
  }
}

/** The schema of one key: named, or by the pattern that all keys of a map share. */
function propertyNode(node: Node, key: string): Node | undefined {
  if (node.properties !== undefined && Object.hasOwn(node.properties, key)) return node.properties[key];
  const shared = Object.entries(node.patternProperties ?? {}).find(([pattern]) => matcher(pattern).test(key));
  return shared?.[1];
}

function checkObject(node: Node, value: unknown, path: string, problems: ProblemList): void {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    return problems.add(path, "wrong_type", `expected an object, found ${shown(value)}`);
  }
  const record = value as Record<string, unknown>;
  for (const key of node.required ?? []) {
    if (!Object.hasOwn(record, key)) problems.add(joinPath(path, key), "missing_key", `the key ${key} is missing`);
  }
  for (const key of Object.keys(record)) {
    if (problems.full) return;
    const property = propertyNode(node, key);
    if (property !== undefined) checkShape(property, record[key], joinPath(path, key), problems);
    else if (node.additionalProperties === false) {
      const code = node.patternProperties === undefined ? "unknown_key" : "not_an_id";
      problems.add(joinPath(path, key), code, `${shown(key)} is not a key of this object`);
    }
  }
}

const compiled = new Map<TSchema, (value: unknown) => boolean>();

/** Whether a value has the shape of a schema; each schema is compiled when it is first asked for. */
export function hasShape(schema: TSchema, value: unknown): boolean {
  const known = compiled.get(schema);
  if (known !== undefined) return known(value);
  const validator = Compile(schema);
  const check = (candidate: unknown): boolean => validator.Check(candidate);
  compiled.set(schema, check);
  return check(value);
}

/** Whether a value has the shape of a schema; everything in which it does not is added to `problems`. */
export function expectShape(schema: TSchema, value: unknown, path: string, problems: ProblemList): boolean {
  if (hasShape(schema, value)) return true;
  const before = problems.count;
  checkShape(schema, value, path, problems);
  // The two readers of one schema agree, which a property holds them to; if they ever did not, nothing gets through.
  if (problems.count === before) problems.add(path, "wrong_type", "this value does not have the expected shape");
  return false;
}

/** Adds everything in which `value` differs from a schema of ours. Never throws. */
export function checkShape(schema: TSchema, value: unknown, path: string, problems: ProblemList): void {
  const node = schema as Node;
  const permitted = node.enum ?? (node.const === undefined ? undefined : [node.const]);
  if (permitted !== undefined) {
    const list = permitted.map(String).join(", ");
    if (typeof value !== "string") problems.add(path, "wrong_type", `expected one of ${list}, found ${shown(value)}`);
    else if (!permitted.includes(value))
      problems.add(path, "not_permitted", `expected one of ${list}, found ${shown(value)}`);
  } else if (node.type === "string") checkString(node, value, path, problems);
  else if (node.type === "integer") checkInteger(node, value, path, problems);
  else if (node.type === "array") checkArray(node, value, path, problems);
  else if (node.type === "object") checkObject(node, value, path, problems);
  else if (typeof value !== node.type)
    problems.add(path, "wrong_type", `expected ${article(node.type ?? "value")}, found ${shown(value)}`);
}
