import type { Problem, RuleDocument } from "#libs/domain/rule-set/documents.ts";
import type { RuleSet } from "#libs/domain/rule-set/types.ts";
import { catalogueOf } from "./catalogue.ts";
import { readJson } from "./json.ts";
import { joinPath, ProblemList, shown } from "./problems.ts";
import { pathInChange } from "./rule-change.ts";
import { RuleSchema } from "./rule-schema.ts";
import type { Scenario, ScenarioEntry } from "./scenario-entries.ts";
import { EntryCheck } from "./scenario-meaning.ts";
import type { WrittenEntry } from "./scenario-schema.ts";
import { askSchemas, entrySchemas } from "./scenario-schema.ts";
import { expectShape } from "./shape.ts";

export type * from "./scenario-entries.ts";

/** What a file may at most be; a file beyond is refused before it is looked at further. */
export const scenarioLimits = {
  bytesMax: 64 * 1024 * 1024,
  depthMax: 64,
  ruleChangesMax: 10_000,
  problemsMax: 1000,
} as const;

/** What the domain knows about rule documents; handed in, because a border may depend on the domain's types alone. */
export interface RuleBook {
  readonly compileRules: (
    document: RuleDocument,
    version: number,
  ) => { readonly rules: RuleSet; readonly problems: readonly Problem[] };
  readonly mergeRules: (document: RuleDocument, set: unknown) => RuleDocument;
  readonly withImpliedAssets: (document: RuleDocument) => RuleDocument;
  readonly checkRuleChange: (before: RuleSet, after: RuleSet) => readonly Problem[];
  /** Rules that may be run but should not be: reported, never refused. */
  readonly ruleWarnings: (rules: RuleSet) => readonly Problem[];
  readonly isSystemAccount: (account: string) => boolean;
}

export type ScenarioReading =
  | { readonly ok: true; readonly scenario: Scenario; readonly warnings: readonly Problem[] }
  | { readonly ok: false; readonly problems: readonly Problem[] };

type Loose = Record<string, unknown>;
const isObject = (value: unknown): value is Loose =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** Bytes as text, or a problem: too many, or not UTF-8. */
function textOf(file: string | Uint8Array, problems: ProblemList): string | undefined {
  if (file.length > scenarioLimits.bytesMax) {
    problems.add("$", "too_large", `a scenario file may have at most ${scenarioLimits.bytesMax} bytes`);
    return undefined;
  }
  if (typeof file === "string") return file;
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(file);
  } catch {
    problems.add("$", "not_utf8", "the file is not UTF-8 text");
    return undefined;
  }
}

/** The two lists that a rule document may leave out, filled in. */
function withLists(rules: unknown): unknown {
  return isObject(rules) ? { assets: [], instruments: [], ...rules } : rules;
}

/** Reads one file: its rules, then its entries one by one, collecting everything that is wrong. */
class ScenarioReader {
  readonly #book: RuleBook;
  readonly #problems: ProblemList;
  readonly #warnings = new Map<string, Problem>();
  readonly #entries: ScenarioEntry[] = [];
  readonly #check: EntryCheck;
  /** The document as written and merged so far, while its shape is right. */
  #document: RuleDocument | undefined;
  #rules: RuleSet | undefined;
  #version = 1;
  #time = 0;

  constructor(book: RuleBook, problems: ProblemList) {
    this.#book = book;
    this.#problems = problems;
    this.#check = new EntryCheck(catalogueOf({}), book.isSystemAccount, problems);
  }

  read(file: Loose): Scenario | undefined {
    for (const key of ["rules", "entries"]) {
      if (!Object.hasOwn(file, key)) this.#problems.add(`$.${key}`, "missing_key", `the key ${key} is missing`);
    }
    for (const key of Object.keys(file)) {
      if (key !== "rules" && key !== "entries") {
        this.#problems.add(joinPath("$", key), "unknown_key", `${shown(key)} is not a key of a scenario`);
      }
    }
    const rules = Object.hasOwn(file, "rules") ? this.#readRules(withLists(file["rules"])) : undefined;
    if (Object.hasOwn(file, "entries")) this.#readEntries(file["entries"]);
    return rules === undefined ? undefined : { rules, entries: this.#entries };
  }

  get warnings(): readonly Problem[] {
    return [...this.#warnings.values()];
  }

  #readRules(document: unknown): RuleDocument | undefined {
    this.#check.catalogue = catalogueOf(document);
    if (!expectShape(RuleSchema, document, "$.rules", this.#problems)) return undefined;
    this.#document = document as RuleDocument;
    const complete = this.#book.withImpliedAssets(this.#document);
    const { rules, problems } = this.#book.compileRules(complete, this.#version);
    for (const problem of problems) this.#problems.take(problem);
    this.#rules = rules;
    this.#warn(rules);
    return complete;
  }

  #warn(rules: RuleSet): void {
    for (const warning of this.#book.ruleWarnings(rules))
      this.#warnings.set(`${warning.path} ${warning.message}`, warning);
  }

  #readEntries(entries: unknown): void {
    if (!Array.isArray(entries)) {
      this.#problems.add("$.entries", "wrong_type", `expected a list, found ${shown(entries)}`);
      return;
    }
    for (let at = 0; at < entries.length && !this.#problems.full; at += 1)
      this.#readEntry(entries[at], `$.entries[${at}]`);
  }

  #readEntry(entry: unknown, path: string): void {
    if (!isObject(entry)) return this.#problems.add(path, "wrong_type", `expected an object, found ${shown(entry)}`);
    this.#readTime(entry["t"], path);
    const schema = this.#schemaOf(entry, path);
    if (schema === undefined || !expectShape(schema, entry, path, this.#problems)) return this.#check.passOver(entry);
    const written = entry as WrittenEntry;
    this.#check.check(written, path);
    if (written.k === "rules") this.#readChange(written, path);
    else if (written.k === "halt") this.#entries.push({ reason: "", ...written });
    else if (written.k === "depth") this.#entries.push({ bids: [], asks: [], ...written });
    else this.#entries.push(written);
  }

  #readTime(t: unknown, path: string): void {
    if (typeof t !== "number" || !Number.isSafeInteger(t) || t < 0) return;
    if (t < this.#time)
      this.#problems.add(`${path}.t`, "time_falls", `${t} is before ${this.#time}, the time of an earlier entry`);
    else this.#time = t;
  }

  #schemaOf(entry: Loose, path: string) {
    const kinds: Readonly<Record<string, (typeof entrySchemas)[keyof typeof entrySchemas]>> = entrySchemas;
    const questions: Readonly<Record<string, (typeof askSchemas)[keyof typeof askSchemas]>> = askSchemas;
    const asking = entry["k"] === "ask";
    const [key, schemas] = asking ? (["what", questions] as const) : (["k", kinds] as const);
    const name = entry[key];
    if (typeof name === "string" && Object.hasOwn(schemas, name)) return schemas[name];
    const at = `${path}.${key}`;
    const names = [...Object.keys(schemas), ...(asking ? [] : ["ask"])].join(", ");
    if (!Object.hasOwn(entry, key)) this.#problems.add(at, "missing_key", `the key ${key} is missing`);
    else if (typeof name !== "string")
      this.#problems.add(at, "wrong_type", `expected one of ${names}, found ${shown(name)}`);
    else this.#problems.add(at, "unknown_kind", `expected one of ${names}, found ${shown(name)}`);
    return undefined;
  }

  /** A change is laid over the rules so far and judged as a whole; the entry then carries the whole document. */
  #readChange(entry: Extract<WrittenEntry, { k: "rules" }>, path: string): void {
    if (this.#document === undefined) return;
    if (this.#version > scenarioLimits.ruleChangesMax) {
      return this.#problems.add(path, "too_many", `expected at most ${scenarioLimits.ruleChangesMax} rule changes`);
    }
    const merged = this.#book.mergeRules(this.#document, entry.set);
    this.#check.catalogue = catalogueOf(merged);
    const found = new ProblemList(scenarioLimits.problemsMax);
    const rules = expectShape(RuleSchema, merged, "$.rules", found) ? this.#compileChange(merged, found) : undefined;
    for (const problem of found.list()) {
      const place = pathInChange(`${path}.set`, entry.set, merged, problem.path);
      const message = `${problem.path} after the change: ${problem.message}`;
      this.#problems.take({ path: place, code: problem.code, message });
    }
    if (rules === undefined || found.count > 0) return;
    this.#document = merged;
    this.#rules = rules;
    this.#warn(rules);
    this.#entries.push({ t: entry.t, k: "rules", document: this.#book.withImpliedAssets(merged) });
  }

  #compileChange(merged: RuleDocument, found: ProblemList): RuleSet {
    this.#version += 1;
    const { rules, problems } = this.#book.compileRules(this.#book.withImpliedAssets(merged), this.#version);
    const changes = this.#rules === undefined ? [] : this.#book.checkRuleChange(this.#rules, rules);
    for (const problem of [...problems, ...changes]) found.take(problem);
    return rules;
  }
}

/**
 * Reads a scenario file: text, or bytes that must be UTF-8 without a byte order mark. Either the whole file is in order
 * or it is refused with everything that is wrong with it (at most `problemsMax`), by JSON path. Never throws for any input.
 */
export function readScenario(file: string | Uint8Array, book: RuleBook): ScenarioReading {
  const problems = new ProblemList(scenarioLimits.problemsMax);
  const refused = (): ScenarioReading => ({ ok: false, problems: problems.list() });
  const text = textOf(file, problems);
  const json = text === undefined ? undefined : readJson(text, scenarioLimits.depthMax, problems);
  if (json === undefined) return refused();
  if (!isObject(json.value)) {
    problems.add("$", "wrong_type", `expected an object, found ${shown(json.value)}`);
    return refused();
  }
  const reader = new ScenarioReader(book, problems);
  const scenario = reader.read(json.value);
  if (scenario === undefined || problems.count > 0) return refused();
  return { ok: true, scenario, warnings: reader.warnings };
}
