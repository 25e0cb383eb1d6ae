import { type Database, readRuleVersion } from "#libs/adapters/postgres/index.ts";
import type { RuleDocument } from "#libs/domain/rule-set/documents.ts";
import { ownersOf } from "#libs/access/index.ts";
import { monotonicMs } from "#libs/process/clock.ts";
import { ApiRefused } from "./http/refused.ts";
import { limits } from "./limits.ts";

export interface RulesNow {
  readonly version: number;
  readonly t: number;
  readonly document: RuleDocument;
  readonly ownerOf: (account: string) => string;
}

/** The rules of the first shard, which has the same as all, read again when they are older than half a second. */
export class RulesInForce {
  readonly #db: Database;
  readonly #shard: string;
  #read: { readonly at: number; readonly rules: Promise<RulesNow> } | null = null;

  constructor(db: Database, shard: string) {
    this.#db = db;
    this.#shard = shard;
  }

  /** Throws `ApiRefused` where no shard has ever run. */
  async now(): Promise<RulesNow> {
    const now = monotonicMs();
    if (this.#read !== null && now - this.#read.at < limits.rulesKeptMs) return this.#read.rules;
    const read = { at: now, rules: this.#load() };
    this.#read = read;
    read.rules.catch(() => {
      if (this.#read === read) this.#read = null;
    });
    return read.rules;
  }

  async ownerOf(account: string): Promise<string> {
    return (await this.now()).ownerOf(account);
  }

  async #load(): Promise<RulesNow> {
    const found = await readRuleVersion(this.#db, this.#shard, null);
    if (found === null) throw new ApiRefused("shard_unavailable", { reason: "no shard has run yet" });
    const document = found.document as RuleDocument;
    return { version: found.version, t: found.t, document, ownerOf: ownersOf(document.entities) };
  }
}
