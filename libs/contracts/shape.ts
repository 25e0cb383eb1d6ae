import type { TSchema } from "typebox";
import { Compile } from "typebox/compile";
import type { ProblemCode, ProblemList } from "./problems.ts";
import { joinPath, shown } from "./problems.ts";

/**
 * The part of JSON Schema that our schemas use. The schema library checks a value quickly; this reader of the same
 * schema says everything that is wrong with one, with our codes and paths, for as long as the list has room.
 */
interface Node {
  readonly type?: "object" | "array" | "string" | "integer" | "number" | "boolean" | "null";
  readonly anyOf?: readonly Node[];
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
  trace: ["not_permitted", "a W3C traceparent"],
  number: ["not_permitted", "a whole number, in digits"],
  hash: ["not_permitted", "a SHA-256 in lower case hex"],
  proposal: ["not_permitted", "a proposal's id: 32 hex digits in lower case"],
  cursor: ["not_permitted", "where a page begins, as the page before it said"],
};

const article = (type: string): string =>
  type === "object" || type === "array" || type === "integer" ? `an ${type}` : `a ${type}`;

/** `expected <bound>, found <value>`, with both also for themselves. */
function expected(problems: ProblemList, path: string, code: ProblemCode, bound: string, value: unknown): void {
  const found = shown(value);
  problems.add(path, code, `expected ${bound}, found ${found}`, { value: found, bound });
}

function checkString(node: Node, value: unknown, path: string, problems: ProblemList): void {
  const [code, what] = titles[node.title ?? ""] ?? ["not_permitted", "a string"];
  if (typeof value === "number" && node.title === "amount") {
    const found = shown(value);
    const detail = { value: found, bound: what };
    problems.add(path, "number_not_string", `${found} must be written as a string: "${found}"`, detail);
  } else if (typeof value !== "string") {
    expected(problems, path, "wrong_type", what, value);
  } else if (node.pattern !== undefined && !matcher(node.pattern).test(value)) {
    expected(problems, path, code, what, value);
  }
}

function checkNumber(node: Node, value: unknown, path: string, problems: ProblemList): void {
  if (typeof value !== "number") return expected(problems, path, "wrong_type", "a number", value);
  const inside = Number.isFinite(value) && value >= (node.minimum ?? value) && value <= (node.maximum ?? value);
  const bound = `a number from ${node.minimum ?? "-∞"} to ${node.maximum ?? "∞"}`;
  if (!inside) expected(problems, path, "out_of_range", bound, value);
}

function checkInteger(node: Node, value: unknown, path: string, problems: ProblemList): void {
  if (typeof value !== "number") return expected(problems, path, "wrong_type", "an integer", value);
  const inside = Number.isSafeInteger(value) && value >= (node.minimum ?? value) && value <= (node.maximum ?? value);
  const from = node.minimum === undefined || node.minimum < 0 ? "" : ` of at least ${node.minimum}`;
  const to =
    node.maximum === undefined || node.maximum === Number.MAX_SAFE_INTEGER ? "" : ` and at most ${node.maximum}`;
  if (!inside) expected(problems, path, "out_of_range", `a whole number${from}${to}`, value);
}

function checkArray(node: Node, value: unknown, path: string, problems: ProblemList): void {
  if (!Array.isArray(value)) return expected(problems, path, "wrong_type", "a list", value);
  const { minItems = 0, maxItems = Array.isArray(node.items) ? node.items.length : Infinity } = node;
  if (value.length < minItems) expected(problems, path, "too_few", `at least ${minItems} items`, value.length);
  if (value.length > maxItems) expected(problems, path, "too_many", `at most ${maxItems} items`, value.length);
  for (let at = 0; at < value.length && at < maxItems && !problems.full; at += 1) {
    const item = Array.isArray(node.items) ? (node.items as readonly Node[])[at] : (node.items as Node);
    if (item !== undefined) checkShape(item, value[at], joinPath(path, at), problems);
  }
}

const permittedBy = (node: Node | undefined): readonly unknown[] | undefined =>
  node?.enum ?? (node?.const === undefined ? undefined : [node.const]);

/** The key that tells the branches of a union apart: each of them must have it, and permits one value. */
function tellingKey(branches: readonly Node[]): string | undefined {
  const [first] = branches;
  return Object.keys(first?.properties ?? {}).find((key) => {
    const values = branches.map((branch) => permittedBy(branch.properties?.[key]));
    const single = values.every((permitted) => permitted?.length === 1);
    return single && new Set(values.map((permitted) => permitted?.[0])).size === branches.length;
  });
}

/** A union: null or one shape, or objects that a key of theirs tells apart; explained by the branch that is meant. */
function checkUnion(branches: readonly Node[], value: unknown, path: string, problems: ProblemList): void {
  if (branches.some((branch) => hasShape(branch, value))) return;
  const shapes = branches.filter((branch) => branch.type !== "null");
  const [only, second] = shapes;
  if (only !== undefined && second === undefined) return checkShape(only, value, path, problems);
  const key = tellingKey(shapes);
  if (key === undefined) return expected(problems, path, "wrong_type", `one of ${shapes.length} shapes`, value);
  if (typeof value !== "object" || value === null || Array.isArray(value))
    return expected(problems, path, "wrong_type", "an object", value);
  if (!Object.hasOwn(value, key)) return problems.add(joinPath(path, key), "missing_key", `the key ${key} is missing`);
  const told = (value as Record<string, unknown>)[key];
  const meant = shapes.find((branch) => permittedBy(branch.properties?.[key])?.[0] === told);
  if (meant !== undefined) return checkShape(meant, value, path, problems);
  const list = shapes.map((branch) => String(permittedBy(branch.properties?.[key])?.[0])).join(", ");
  expected(
    problems,
    joinPath(path, key),
    typeof told === "string" ? "not_permitted" : "wrong_type",
    `one of ${list}`,
    told,
  );
}

/** The schema of one key: named, or by the pattern that all keys of a map share. */
function propertyNode(node: Node, key: string): Node | undefined {
  if (node.properties !== undefined && Object.hasOwn(node.properties, key)) return node.properties[key];
  const shared = Object.entries(node.patternProperties ?? {}).find(([pattern]) => matcher(pattern).test(key));
  return shared?.[1];
}

function checkObject(node: Node, value: unknown, path: string, problems: ProblemList): void {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    return expected(problems, path, "wrong_type", "an object", value);
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
  const permitted = permittedBy(node);
  if (permitted !== undefined) {
    const bound = `one of ${permitted.map(String).join(", ")}`;
    if (typeof value !== "string") expected(problems, path, "wrong_type", bound, value);
    else if (!permitted.includes(value)) expected(problems, path, "not_permitted", bound, value);
  } else if (node.anyOf !== undefined) checkUnion(node.anyOf, value, path, problems);
  else if (node.type === "string") checkString(node, value, path, problems);
  else if (node.type === "integer") checkInteger(node, value, path, problems);
  else if (node.type === "number") checkNumber(node, value, path, problems);
  else if (node.type === "array") checkArray(node, value, path, problems);
  else if (node.type === "object") checkObject(node, value, path, problems);
  else if (node.type === "null") {
    if (value !== null) expected(problems, path, "wrong_type", "null", value);
  } else if (node.type !== undefined && typeof value !== node.type)
    expected(problems, path, "wrong_type", article(node.type), value);
}
