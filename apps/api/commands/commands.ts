import { randomBytes } from "node:crypto";
import {
  appendAudit,
  commandById,
  commandByKey,
  type CommandRow,
  decideCommand,
  insertCommand,
  noteOutcome,
  type Queryable,
} from "#libs/adapters/postgres/index.ts";
import type { Operation, Payload } from "#libs/contracts/api/commands.ts";
import { sources } from "#libs/contracts/live/subjects.ts";
import { mayApprove, type Principal } from "#libs/access/index.ts";
import { monotonicMs } from "#libs/process/clock.ts";
import { newTrace } from "#libs/telemetry/trace.ts";
import type { Answer, Call } from "../http/app.ts";
import { ApiRefused } from "../http/refused.ts";
import { limits } from "../limits.ts";
import type { Parts } from "../parts.ts";
import type { EntityProposals } from "../reading/entities.ts";
import { askingOf, execute, expectDryRun, expectWithinCommandCaps, prepared } from "./execute.ts";
import { payloadHashOf, requestHashOf } from "./hashes.ts";
import { outcomeOf, type Outcomes, type Waiting } from "./outcomes.ts";
import { viewOf } from "./view.ts";

interface About {
  readonly reason: string;
  readonly ticket?: string;
  readonly dryRun?: string;
  readonly urgent?: boolean;
}

const idBytes = 12;
/** Whole rules stand in the command's row and in the log: the audit names them by their hash. */
const auditedPayload = (operation: string, payload: unknown): unknown => (operation === "rules" ? null : payload);

/** Commands of operators: taken once for each key, carried out at once or proposed, approved by a second person, answered by their facts. */
export class Commands {
  readonly #parts: Parts;
  readonly #outcomes: Outcomes;
  readonly #proposals: EntityProposals;

  constructor(parts: Parts, outcomes: Outcomes, proposals: EntityProposals) {
    this.#parts = parts;
    this.#outcomes = outcomes;
    this.#proposals = proposals;
  }

  async submit(operation: Operation, { principal, body, idempotencyKey: key }: Call): Promise<Answer> {
    const { reason, ticket = null, dryRun = null, urgent = false, ...payload } = body as About & { ticket?: string };
    const id = randomBytes(idBytes).toString("hex");
    const asked = {
      id,
      proposer: principal.id,
      credential: { ...principal.credential, roles: [...principal.roles] },
      operation,
      key,
      requestHash: requestHashOf(operation, body),
      payload,
      payloadHash: payloadHashOf(operation, payload),
      reason,
      ticket,
      dryRun,
      urgent,
    };
    const earlier = await commandByKey(this.#parts.db, principal.id, operation, key);
    if (earlier !== null) return this.#again(earlier, asked.requestHash);
    const detected = await this.#detected(operation, payload);
    const taken = await this.#inTransaction(id, async (db, trace, waiting) => {
      const asking = { operation, payload, reason };
      const ready = await prepared(this.#parts, db, asking);
      expectWithinCommandCaps(this.#parts, ready.plan);
      const { secondPerson } = ready.plan;
      await expectDryRun(db, operation, asked, secondPerson);
      const state = secondPerson === null ? "pending" : "proposed";
      const expiresInMs = secondPerson === null ? null : limits.proposalMs;
      if (!(await insertCommand(db, { ...asked, secondPerson, state, expiresInMs }))) return null;
      const about = {
        payloadHash: asked.payloadHash,
        payload: auditedPayload(operation, payload),
        reason,
        ticket,
        dryRun,
        urgent,
        ...detected,
      };
      if (secondPerson === null)
        await execute(this.#parts, db, asking, ready, { id, trace, waiting, actor: principal.id, audit: about });
      else {
        const detail = { id, ...about, secondPerson };
        await appendAudit(db, { actor: principal.id, action: `command.${operation}.proposed`, detail });
      }
      return { executed: secondPerson === null };
    });
    if (taken === null) {
      const first = await commandByKey(this.#parts.db, principal.id, operation, key);
      if (first === null) throw new ApiRefused("busy", { retryAfterMs: 1_000 });
      return this.#again(first, asked.requestHash);
    }
    return this.#answer(id);
  }

  /** What the audit keeps of the detector's proposal that a command follows: nobody can say later that there was another. */
  async #detected(operation: Operation, payload: unknown): Promise<{ readonly detected?: object }> {
    if (operation !== "entity") return {};
    const { proposal, accounts } = payload as Payload<"entity">;
    if (proposal === undefined) return {};
    const { id, score, accounts: proposed, evidenceHash } = await this.#proposals.expect(proposal, accounts);
    return { detected: { id, score, accounts: proposed, evidenceHash } };
  }

  /** The second person's yes, to exactly the payload whose hash they name. */
  async approve(
    principal: Principal,
    id: string,
    word: { readonly payloadHash: string; readonly reason: string },
  ): Promise<Answer> {
    await this.#expectProposerStands(id);
    const refused = await this.#inTransaction(id, async (db, trace, waiting) => {
      const row = await this.#open(db, id);
      if (!mayApprove(principal, row.proposer)) throw new ApiRefused("own_proposal");
      const actual = payloadHashOf(row.operation, row.payload);
      if (row.payloadHash !== actual || word.payloadHash !== actual) throw new ApiRefused("payload_changed");
      const asking = askingOf(row);
      const ready = await prepared(this.#parts, db, asking);
      await decideCommand(db, id, { state: "pending", approver: principal.id });
      const audit = {
        payloadHash: actual,
        payload: auditedPayload(row.operation, row.payload),
        proposer: row.proposer,
        reason: word.reason,
      };
      await execute(this.#parts, db, asking, ready, { id, trace, waiting, actor: principal.id, audit });
      return { executed: true };
    }).catch(async (error: unknown) => this.#invalid(principal, id, error));
    if (refused instanceof ApiRefused) throw refused;
    return this.#answer(id);
  }

  /** A second person's no, or the proposer's own withdrawal. */
  async reject(principal: Principal, id: string, reason: string): Promise<Answer> {
    await this.#parts.db.transaction(async (db) => {
      const row = await this.#open(db, id);
      const own = row.proposer === principal.id;
      if (!own && !mayApprove(principal, row.proposer)) throw new ApiRefused("forbidden");
      const state = own ? "cancelled" : "rejected";
      await decideCommand(db, id, { state, why: reason, approver: own ? null : principal.id });
      const detail = { id, payloadHash: row.payloadHash, proposer: row.proposer, reason };
      await appendAudit(db, { actor: principal.id, action: `command.${row.operation}.${state}`, detail });
    });
    return this.#answer(id);
  }

  /** A proposal that nobody has decided on and that has not ended, locked. */
  async #open(db: Queryable, id: string): Promise<CommandRow> {
    const row = await commandById(db, id, { locked: true });
    if (row === null) throw new ApiRefused("not_found");
    if (row.state !== "proposed") throw new ApiRefused("not_open", { reason: `the proposal is ${row.state}` });
    return row;
  }

  /** What the proposer was logged in with is worth something still: nothing is done in the name of who has lost their rights. */
  async #expectProposerStands(id: string): Promise<void> {
    const { db, access } = this.#parts;
    const row = await commandById(db, id);
    if (row === null) throw new ApiRefused("not_found");
    const { roles, ...credential } = row.credential as Principal["credential"] & { readonly roles: string[] };
    const proposer: Principal = {
      id: row.proposer,
      roles: new Set(roles) as Principal["roles"],
      owner: null,
      expiresAt: Number.POSITIVE_INFINITY,
      credential,
    };
    if (!(await access.stillHolds(proposer))) throw new ApiRefused("proposer_lost_rights");
  }

  /** What was approved and cannot be carried out any more is over: nothing of it is left to be tried again. */
  async #invalid(principal: Principal, id: string, error: unknown): Promise<ApiRefused> {
    const over = ["invalid_command", "rules_refused", "rules_moved", "not_found", "other_shard"];
    if (!(error instanceof ApiRefused) || !over.includes(error.code)) throw error;
    const recorded = await this.#parts.db.transaction(async (db) => {
      const row = await commandById(db, id, { locked: true });
      if (row?.state !== "proposed") return false;
      await decideCommand(db, id, { state: "invalid", why: `${error.code}: ${error.message}`, approver: principal.id });
      const detail = { id, payloadHash: row.payloadHash, proposer: row.proposer, code: error.code };
      await appendAudit(db, { actor: principal.id, action: `command.${row.operation}.invalid`, detail });
      return true;
    });
    const { code, problems = [], message: reason } = error;
    return new ApiRefused(code, { reason, recorded, ...(problems.length > 0 ? { problems } : {}) });
  }

  /** Commits, has the entries published, and waits for what becomes true. */
  async #inTransaction<T extends { readonly executed: boolean } | null>(
    id: string,
    work: (db: Queryable, trace: string, waiting: Waiting) => Promise<T>,
  ): Promise<T> {
    const { db, bus, metrics } = this.#parts;
    const trace = newTrace();
    const waiting = this.#outcomes.watch(trace);
    try {
      const done = await db.transaction(async (client) => work(client, trace, waiting));
      if (done?.executed !== true) return done;
      const committed = monotonicMs();
      bus.publish(bus.names.subjects.outbox(sources.operator), {});
      const facts = await waiting.applied;
      if (facts !== null) {
        metrics.commandApplied.observe((monotonicMs() - committed) / 1_000);
        await noteOutcome(db, id, { state: outcomeOf(facts), facts });
      }
      return done;
    } finally {
      waiting.stop();
    }
  }

  async #again(row: CommandRow, requestHash: string): Promise<Answer> {
    if (row.requestHash !== requestHash) throw new ApiRefused("idempotency_key_reused");
    return this.#answer(row.id);
  }

  async #answer(id: string): Promise<Answer> {
    const row = await commandById(this.#parts.db, id);
    if (row === null) throw new ApiRefused("not_found");
    this.#parts.metrics.commands.with(row.operation, row.state).inc();
    const waits = row.state === "proposed" || row.state === "pending";
    const headers = waits ? { location: `/v1/commands/${id}` } : {};
    const status = waits ? 202 : row.state === "refused" ? 422 : 200;
    return { status, headers, body: viewOf(row) };
  }
}
