import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { revokeTokens, verifyAudit } from "#libs/adapters/postgres/index.ts";
import type { CommandView } from "#libs/contracts/api/commands.ts";
import { routes } from "#libs/contracts/api/routes.ts";
import { codeOf, Desk, reason, stateOf } from "#test/support/api-desk.ts";
import { ApiExchange } from "#test/support/api-exchange.ts";
import { expectAttemptsAudited, type Records } from "#test/support/refused-attempts.ts";
import { assetCaps, expectAssetCaps } from "#test/support/asset-caps.ts";
import { decisions, matrix, people } from "#test/support/api-matrix.ts";
import { detectedFamily, expectHeldToProposal, expectProposalAudited } from "#test/support/detected-family.ts";
import { expectExamples } from "#test/support/documented-curls.ts";
import { exchangeRules } from "#test/support/live-exchange.ts";
import { eventually } from "#test/support/live-shard.ts";
import { expectSigned } from "#test/support/signed-requests.ts";
import { closedBy, goneOn, liquidated, one, parked, stepsOf } from "#test/support/parked-liquidation.ts";

/** Between the thresholds there is room for a liquidation that closes a part. */
const rules = { ...exchangeRules, liquidation: { ...exchangeRules.liquidation, fullAt: "1" } };
let exchange: ApiExchange;
beforeAll(async () => {
  const liquidation = { name: "liquidation", app: "liquidation", ready: "listening" };
  exchange = await ApiExchange.start(rules, assetCaps, [liquidation]);
}, 60_000);
afterAll(async () => exchange.stop());

const desk = new Desk(() => exchange);
const { command, approve, dryRun } = desk;
/** As somebody would who owns the database. */
const unguarded = async (text: string): Promise<unknown> =>
  exchange.db.query({ text: guard("DISABLE") + text + guard("ENABLE") });
const guard = (how: string): string => `; ALTER TABLE command ${how} TRIGGER command_guarded; `;
/** Halts something that nobody trades, so that each test has a scope of its own. */
const released = (account: string) => ({ scope: "account", id: account, state: "normal" });

describe("who may what", () => {
  test("every route has its line in the matrix", () => {
    expect(matrix.map(({ route }) => route).sort()).toEqual(routes.map(({ id }) => id).sort());
  });

  const params: Readonly<Record<string, string>> = { account: "alice", shard: "0", version: "current", seq: "999999" };
  test.each(matrix)("$route", async (row) => {
    const route = routes.find(({ id }) => id === row.route);
    const path = (route?.path ?? "").replaceAll(/:([a-z]+)/g, (_, name: string) => params[name] ?? "none");
    const got: Record<string, string> = {};
    for (const [who, tokenOf] of Object.entries(people)) {
      const body = route?.method === "POST" ? {} : undefined;
      const { status } = await exchange.send(route?.method ?? "GET", path, { as: tokenOf(row.route), body });
      got[who] = status === 401 || status === 403 ? String(status) : "ok";
      expect(status, who).toBeLessThan(500);
    }
    expect({ route: row.route, ...got }).toEqual(row);
  });

  test("a trader's list has their own accounts alone, and a reader's everybody's", async () => {
    const names = async (as: string) =>
      (await exchange.get<{ accounts: { account: string }[] }>("/v1/accounts", as)).body.accounts.map(
        ({ account }) => account,
      );
    expect(await names("trader:alice:alice")).toEqual(["alice"]);
    expect(await names("trader:nobody:mallory")).toEqual([]);
    expect(await names("viewer")).toEqual(expect.arrayContaining(["alice", "bob"]));
  });

  test("an account that does not exist is another's to a trader, so that nobody finds out which do", async () => {
    expect((await exchange.get("/v1/accounts/bob", "trader:alice:alice")).body).toEqual(
      (await exchange.get("/v1/accounts/nobody-at-all", "trader:alice:alice")).body,
    );
  });
});

test("the examples of the documentation are answered as it says", async () => expectExamples(exchange));

describe("four eyes", () => {
  test.each(decisions)("a proposal that is $stands, $word", async ({ stands, word, ...expected }) => {
    const got: Record<string, string> = {};
    for (const who of Object.keys(expected)) {
      const proposer = `officer:p-${who}-${stands}-${word}`;
      const proposal = (await command("halt", proposer, released(`x-${who}-${stands}-${word}`))).body;
      if (stands === "applied") await approve(proposal, "officer:somebody");
      if (stands === "cancelled") await exchange.post(`/v1/commands/${proposal.id}/reject`, proposer, { reason });
      if (stands === "rejected")
        await exchange.post(`/v1/commands/${proposal.id}/reject`, "officer:somebody", { reason });
      if (stands === "expired")
        await unguarded(`UPDATE command SET expires_at = clock_timestamp() WHERE id = '${proposal.id}'`);
      const as = { proposer, other: "officer:other", operator: "operator:op", trader: "trader:t:alice" }[who] ?? who;
      const reply =
        word === "approve"
          ? await approve(proposal, as)
          : await exchange.post<CommandView>(`/v1/commands/${proposal.id}/reject`, as, { reason });
      got[who] = stateOf(reply);
    }
    expect(got).toEqual(expected);
  });

  test("an approval of another payload than was proposed is refused, and so is any altered one", async () => {
    const proposal = (await command("halt", "operator", released("y1"))).body;
    const other = (await command("halt", "operator", released("y2"))).body;
    expect(codeOf(await approve({ ...proposal, payloadHash: other.payloadHash }, "officer"))).toBe("payload_changed");
    const text = `UPDATE command SET payload = '{"scope":"account","id":"y3","state":"normal"}' WHERE id = '${proposal.id}'`;
    await expect(exchange.db.query({ text })).rejects.toMatchObject({ constraint: "PL003" });
    await unguarded(text);
    expect(codeOf(await approve(proposal, "officer"))).toBe("payload_changed");
  });

  test("two approvals at once carry it out once", async () => {
    const proposal = (await command("adjust", "operator", { account: "bob", asset: "USDT", amount: "7" })).body;
    const three = ["officer:one", "officer:two", "officer:three"];
    const replies = await Promise.all(three.map(async (as) => approve(proposal, as)));
    expect(replies.map(stateOf).sort()).toEqual(["applied", "not_open", "not_open"]);
    const text = "SELECT FROM fact WHERE fact = 'cash.deposited' AND body ->> 'amount' = '7'";
    expect((await exchange.db.query({ text })).rowCount).toBe(1);
  });

  test("nothing is done in the name of who has lost their rights since", async () => {
    const proposal = (await command("halt", "operator:leaver", released("z1"))).body;
    await revokeTokens(exchange.db, "leaver", Date.now() + 1_000);
    expect(codeOf(await approve(proposal, "officer"))).toBe("proposer_lost_rights");
    expect((await exchange.get("/v1/me", "operator:leaver")).status).toBe(401);
  });

  test("the database refuses a command that one person approved for themselves, whatever a program thinks", async () => {
    const proposal = (await command("halt", "operator:selfish", released("z2"))).body;
    const text = `UPDATE command SET state = 'pending', approver = 'selfish' WHERE id = '${proposal.id}'`;
    await expect(exchange.db.query({ text })).rejects.toMatchObject({ constraint: "command_other_person" });
    const alone = `UPDATE command SET state = 'pending' WHERE id = '${proposal.id}'`;
    await expect(exchange.db.query({ text: alone })).rejects.toMatchObject({ constraint: "command_two_people" });
  });
});

describe("commands", () => {
  test("a global halt refuses checks when it is answered, and until two people have released it", async () => {
    expect(await exchange.check("alice")).toMatchObject({ decision: "accept", codes: [] });
    const halt = await command("halt", "operator", { scope: "global", state: "no_new_orders" });
    expect([halt.status, halt.body.state, halt.body.facts[0]?.facts[0]]).toMatchObject([
      200,
      "applied",
      { fact: "halt.set", state: "no_new_orders" },
    ]);
    expect(await exchange.check("alice")).toMatchObject({
      decision: "reject",
      codes: expect.arrayContaining(["halted"]),
    });
    for (const state of ["normal", "reduce_only"]) {
      const looser = await command("halt", "operator", { scope: "global", state });
      expect([looser.status, looser.body.state]).toEqual([202, "proposed"]);
    }
    expect((await command("halt", "operator", { scope: "global", state: "paused" })).body.state).toBe("applied");
    const release = (await command("halt", "operator", { scope: "global", state: "normal" })).body;
    expect((await exchange.check("alice")).decision).toBe("reject");
    expect(stateOf(await approve(release, "officer"))).toBe("applied");
    expect(await exchange.check("alice")).toMatchObject({ decision: "accept", codes: [] });
  });

  test("a key is one request: at once, again and with another body", async () => {
    const payload = { scope: "instrument", id: "BTC-PERP", state: "reduce_only" };
    const replies = await Promise.all(
      Array.from({ length: 8 }, async () => command("halt", "operator:same", payload, "k-1")),
    );
    expect(new Set(replies.map(({ body }) => body.id)).size).toBe(1);
    expect(new Set(replies.map(({ body }) => body.entries[0]?.sourceSeq))).toHaveLength(1);
    expect(codeOf(await command("halt", "operator:same", { ...payload, state: "paused" }, "k-1"))).toBe(
      "idempotency_key_reused",
    );
    expect((await command("halt", "operator:another", payload, "k-1")).body.id).not.toBe(replies[0]?.body.id);
    expect(
      codeOf(await exchange.send("POST", "/v1/commands/halt", { as: "operator", body: { ...payload, reason } })),
    ).toBe("idempotency_key_missing");
    const release = (await command("halt", "operator", { ...payload, state: "normal" })).body;
    await approve(release, "officer");
  });

  test("money moves by two people, within caps, and what the engine refuses is told as refused", async () => {
    const moved = async (operation: string, payload: object) => {
      const proposal = await command(operation, "operator", payload);
      expect([proposal.status, proposal.body.state]).toEqual([202, "proposed"]);
      return approve(proposal.body, "officer");
    };
    const topped = await moved("fund", { fund: "insurance", asset: "USDT", amount: "1000" });
    expect(topped.body.facts[0]?.facts[0]).toMatchObject({ fact: "fund.changed", balance: "1000" });
    expect(stateOf(await moved("fund", { fund: "insurance", asset: "USDT", amount: "-5000" }))).toBe("refused");
    expect(stateOf(await moved("transfer", { from: "alice", to: "bob", asset: "USDT", amount: "5" }))).toBe("applied");
    const much = { account: "bob", asset: "USDT", amount: "10000001" };
    expect(codeOf(await command("adjust", "operator", much))).toBe("cap_exceeded");
    expect(codeOf(await command("adjust", "operator", { account: "bob", asset: "DOGE", amount: "1" }))).toBe(
      "price_unknown",
    );
    expect(codeOf(await command("adjust", "operator", { account: "insurance", asset: "USDT", amount: "1" }))).toBe(
      "invalid_command",
    );
  });

  test("of an asset that has a cap no more is moved by one command, or in a day, than that", async () =>
    expectAssetCaps(exchange, desk));

  test("a liquidation that runs is parked by one person, goes on by two, and ends with its outcome", async () => {
    const { id } = await liquidated(exchange);
    await parked(exchange, desk, id);
    const ended = await goneOn(exchange, desk, id);
    const whole = await one(exchange, id);
    expect(whole.saga).toEqual(ended);
    expect(ended.outcome).toMatchObject({ outcome: "reduced", stage: 2, fundUsd: "0" });
    expect(stepsOf(whole).length).toBeGreaterThan(1);
    expect(ended.outcome?.money).toMatchObject([
      { asset: "USDT", closedNotional: closedBy(whole), deleveragedNotional: "0", takerFee: "0", lossShared: "0" },
    ]);
    const found = async (query: string) =>
      (await exchange.get<{ sagas: unknown[] }>(`/v1/sagas?account=dave&${query}`, "viewer")).body.sagas.length;
    const queries = [
      "open=yes",
      "open=no&stage=2",
      "open=no&stage=3",
      "open=no&outcome=reduced",
      "open=no&outcome=closed",
    ];
    expect(await Promise.all(queries.map(found))).toEqual([0, 1, 0, 1, 0]);
    const gone = await command("saga", "operator", { shard: "0", saga: id, action: "park" });
    expect(codeOf(gone)).toBe("not_found");
    exchange.price("50000");
  });

  test("the reason is not left out", async () => {
    const body = { scope: "global", state: "paused" };
    expect(codeOf(await exchange.post("/v1/commands/halt", "operator", body))).toBe("unreadable");
    expect(codeOf(await exchange.post("/v1/commands/halt", "operator", { ...body, reason: "" }))).toBe("unreadable");
    expect(await exchange.check("alice")).toMatchObject({ decision: "accept", codes: [] });
  });
});

describe("rules", () => {
  test("a tightening is tried on the live book and acts at once, by one person; without the trial it is refused or urgent", async () => {
    const payload = { marginFactor: "2", until: Date.now() + 60_000 };
    expect(codeOf(await command("emergency", "operator", payload))).toBe("dry_run_missing");
    const run = await dryRun("emergency", payload);
    expect(codeOf(await command("emergency", "operator", { ...payload, marginFactor: "3", dryRun: run }))).toBe(
      "dry_run_missing",
    );
    expect(stateOf(await command("emergency", "operator", { ...payload, dryRun: run }))).toBe("applied");
    expect(stateOf(await command("emergency", "operator", { ...payload, urgent: true }))).toBe("applied");
    expect(codeOf(await command("emergency", "operator", { ...payload, marginFactor: "0.5", urgent: true }))).toBe(
      "rules_refused",
    );
  });

  test("a limit that is certainly tighter needs one person, any other two", async () => {
    const payload = {
      level: "account",
      of: "alice",
      limit: "maxOpenPositions",
      value: "3",
      until: Date.now() + 60_000,
    };
    expect(stateOf(await command("limit", "operator", { ...payload, urgent: true }))).toBe("applied");
    const looser = { ...payload, value: "4" };
    expect(codeOf(await command("limit", "operator", { ...looser, urgent: true }))).toBe("dry_run_missing");
    const run = await dryRun("limit", looser);
    expect(stateOf(await command("limit", "operator", { ...looser, dryRun: run }))).toBe("proposed");
  });

  test("rules are proposed against a version, shown as a difference, and come into force by a second person or not at all", async () => {
    const { version } = (await exchange.get<{ version: number }>("/v1/rules/current", "viewer")).body;
    const payload = { base: version, set: { settlementMinutes: 15 } };
    expect(codeOf(await command("rules", "operator", { base: version + 1, set: {} }))).toBe("rules_moved");
    const run = await dryRun("rules", payload);
    const first = (await command("rules", "operator", { ...payload, dryRun: run })).body;
    const second = (await command("rules", "operator", { ...payload, dryRun: run })).body;
    const diff = await exchange.get<{ changes: unknown[] }>(`/v1/commands/${first.id}/diff`, "viewer");
    expect(diff.body.changes).toEqual([{ path: "$.settlementMinutes", after: 15 }]);
    expect(stateOf(await approve(first, "officer"))).toBe("applied");
    expect(codeOf(await approve(second, "officer"))).toBe("rules_moved");
    expect((await exchange.get<CommandView>(`/v1/commands/${second.id}`, "viewer")).body.state).toBe("invalid");
    const back = { base: version + 1, version };
    const undo = (await command("rollback", "operator", { ...back, dryRun: await dryRun("rollback", back) })).body;
    expect(stateOf(await approve(undo, "officer"))).toBe("applied");
    const now = await exchange.get<{ document: object }>("/v1/rules/current", "viewer");
    expect(now.body.document).not.toHaveProperty("settlementMinutes");
  });

  test("who confirms an entity decides who reads its accounts", async () => {
    const proposal = await detectedFamily(exchange);
    const payload = { entity: "family", accounts: ["alice", "bob"], proposal: proposal.id };
    await expectHeldToProposal(desk, payload);
    const grouped = (await command("entity", "operator", { ...payload, dryRun: await dryRun("entity", payload) })).body;
    await expectProposalAudited(exchange, proposal);
    expect((await exchange.get("/v1/accounts/bob", "trader:al:family")).status).toBe(403);
    expect(stateOf(await approve(grouped, "officer"))).toBe("applied");
    await eventually(
      "the new owner",
      async () => (await exchange.get("/v1/accounts/bob", "trader:al:family")).status === 200,
    );
    expect((await exchange.get("/v1/accounts/alice", "trader:alice:alice")).status).toBe(403);
  });
});

describe("reading", () => {
  test("a refusal has its receipt, of the engine and of the gate, for its owner alone", async () => {
    const proposal = (await command("adjust", "operator", { account: "bob", asset: "USDT", amount: "-9000000" })).body;
    const refused = await approve(proposal, "officer");
    expect([refused.status, refused.body.state]).toEqual([422, "refused"]);
    const seq = refused.body.facts[0]?.facts[0]?.seq ?? 0;
    const receipt = await exchange.get<{ receipt: { kind: string } }>(`/v1/accounts/bob/receipts/${seq}`, "viewer");
    expect(receipt.body.receipt).toMatchObject({ kind: "rejection", subject: { account: "bob" } });
    expect((await exchange.get(`/v1/accounts/alice/receipts/${seq}`, "viewer")).status).toBe(404);
    const { request } = await exchange.check("bob", "9000");
    const decision = await eventually("the kept decision", async () => {
      const reply = await exchange.get<{ codes: string[]; receipts: unknown[] }>(
        `/v1/accounts/bob/decisions/${request}`,
        "viewer",
      );
      return reply.status === 200 ? reply.body : null;
    });
    expect(decision.codes).toContain("initial_margin");
    expect(decision.receipts[0]).toMatchObject({ kind: "rejection" });
    expect((await exchange.get(`/v1/accounts/alice/decisions/${request}`, "viewer")).status).toBe(404);
  });

  test("an account is told with its place in the log, its bookings and what would be", async () => {
    const account = (await exchange.get<{ logSeq: number; markAgeMs: number }>("/v1/accounts/bob", "viewer")).body;
    expect(account).toMatchObject({ shard: "0", account: { account: "bob", positions: [] } });
    expect([account.logSeq > 0, account.markAgeMs < 5_000]).toEqual([true, true]);
    const legs = (await exchange.get<{ legs: unknown[] }>("/v1/accounts/bob/ledger?limit=1000", "viewer")).body.legs;
    expect(legs).toContainEqual(expect.objectContaining({ kind: "deposit", asset: "USDT", amount: "100000" }));
    const order = { id: "w", instrument: "BTC-PERP", side: "buy", qty: "1" };
    const whatIf = await exchange.post<{ after: object }>("/v1/accounts/bob/what-if", "viewer", { order });
    expect(JSON.stringify(whatIf.body)).toContain("liqPrice");
  });

  test("an instrument is settled near its index, or not at all", async () => {
    const settled = async (price: string) =>
      approve((await command("settle", "operator", { instrument: "BTC-PERP", price })).body, "officer");
    const far = await settled("60000");
    expect([stateOf(far), far.body.facts[0]?.facts[0]]).toMatchObject(["refused", { code: "settlement_band" }]);
    const near = (await settled("50500")).body.facts[0]?.facts;
    expect(near).toContainEqual(expect.objectContaining({ fact: "instrument.expired" }));
  });
});

test("a key signs one request, once; altered, replayed and foreign ones are refused, and so is what it has no right to", async () =>
  expectSigned(exchange));

describe("the audit", () => {
  test("has who tried what they may not, with the code and hashes of what they asked for, and never their credentials", async () => {
    await expectAttemptsAudited(exchange, desk);
  });

  test("holds, tells who did what, and shows tampering", async () => {
    const verified = async () =>
      (await exchange.get<{ holds: boolean; why: string }>("/v1/audit/verify", "viewer")).body;
    expect(await verified()).toMatchObject({ holds: true });
    const { seq } = await verifyAudit(exchange.db);
    const { records } = (await exchange.get<Records>("/v1/audit?limit=1000", "viewer")).body;
    const { rows } = await exchange.db.query<{ many: string }>({
      text: "SELECT count(*) AS many FROM command WHERE trace IS NOT NULL",
    });
    expect(records.filter(({ action }) => action.endsWith(".executed"))).toHaveLength(Number(rows[0]?.many));
    expect(records.map((one) => one.seq).slice(0, seq)).toEqual(Array.from({ length: seq }, (_, at) => at + 1));
    const text = "ALTER TABLE audit DISABLE TRIGGER audit_final; UPDATE audit SET actor = 'nobody' WHERE seq = 2";
    await exchange.db.query({ text });
    expect(await verified()).toMatchObject({ holds: false, why: "audit record 2 has been changed" });
  });
});
