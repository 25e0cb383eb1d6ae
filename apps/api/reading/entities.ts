import { detectionDefaults } from "#libs/domain/entities/evidence.ts";
import { detectEntities, entityOfAccounts, toldProposal } from "#libs/domain/entities/proposals.ts";
import { gatherEvidence, namedProposal } from "#libs/journal/index.ts";
import type { Handlers } from "../http/app.ts";
import { ApiRefused } from "../http/refused.ts";
import { limits } from "../limits.ts";
import type { Parts } from "../parts.ts";
import { OneByOne } from "./one-by-one.ts";

const dayMs = 86_400_000;

async function detected({ db, rules, settings: { shards } }: Parts, days: number) {
  const since = Math.max(0, Date.now() - days * dayMs);
  const { commonAbove } = detectionDefaults;
  const most = { evidenceMost: limits.evidenceMax, factsMost: limits.entityFacts };
  const { records, fills } = await gatherEvidence(db, { shards, since, commonAbove, ...most });
  const found = detectEntities(records, fills, entityOfAccounts((await rules.now()).document.entities));
  return { proposals: found.proposals.map((one) => namedProposal(toldProposal(one))), dropped: found.dropped };
}

type Named = Awaited<ReturnType<typeof detected>>["proposals"][number];

/** Who may be one owner: looked for anew each time, one search at a time. */
export class EntityProposals {
  readonly #parts: Parts;
  readonly #line = new OneByOne();

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  async list(days: number = limits.entityDays) {
    return this.#line.run(async () => detected(this.#parts, days));
  }

  /** The proposal that a command names, if it is still proposed and has every account of it; throws `ApiRefused` otherwise. */
  async expect(id: string, accounts: readonly string[]): Promise<Named> {
    const { proposals } = await this.list();
    const found = proposals.find((one) => one.id === id);
    if (found === undefined) throw refused("$.proposal", "is not proposed now", id, "GET /v1/entities/proposals");
    const stray = accounts.find((account) => !found.accounts.includes(account));
    if (stray !== undefined)
      throw refused("$.accounts", `${stray} is not in the proposal`, stray, found.accounts.join(", "));
    return found;
  }
}

const refused = (path: string, message: string, value: string, bound: string): ApiRefused =>
  new ApiRefused("invalid_command", { problems: [{ path, code: "not_permitted", message, value, bound }] });

export const entityHandlers = (proposals: EntityProposals): Handlers => ({
  "entity-proposals": async ({ query }) => ({ body: await proposals.list(Number(query["days"] ?? limits.entityDays)) }),
});
