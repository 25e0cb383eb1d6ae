import { createHash } from "node:crypto";
import { expect } from "vitest";
import { recordEvidence } from "#libs/adapters/postgres/index.ts";
import { codeOf, type Desk } from "./api-desk.ts";
import type { ApiExchange } from "./api-exchange.ts";

interface Proposals {
  readonly proposals: readonly {
    readonly id: string;
    readonly accounts: readonly string[];
    readonly score: string;
    readonly evidenceHash: string;
  }[];
}

const seen = async (exchange: ApiExchange, kind: string, value: string): Promise<void> => {
  const t = Date.now();
  const hash = createHash("sha256").update(value).digest("hex");
  await recordEvidence(
    exchange.db,
    ["alice", "bob"].map((account) => ({ account, kind, hash, from: t, until: t })),
  );
};

/** Alice and bob share an address, so they are proposed as one owner's: by a name that stays when more is found that they share. */
export async function detectedFamily(exchange: ApiExchange): Promise<Proposals["proposals"][number]> {
  const list = async () => (await exchange.get<Proposals>("/v1/entities/proposals", "viewer")).body.proposals;
  await seen(exchange, "deposit_address", "an address");
  const [before] = await list();
  await seen(exchange, "device", "a phone");
  const [proposal, ...others] = await list();
  expect(proposal).toMatchObject({ id: before?.id, accounts: ["alice", "bob"], score: "0.92" });
  expect([others, proposal?.evidenceHash === before?.evidenceHash]).toEqual([[], false]);
  return proposal as Proposals["proposals"][number];
}

/** A command is held to the proposal that it names: that it is one, and that it has the accounts. */
export async function expectHeldToProposal({ command }: Desk, payload: object): Promise<void> {
  const unknown = await command("entity", "operator", { ...payload, proposal: "0".repeat(32) });
  expect([codeOf(unknown), unknown.body.error?.problems]).toMatchObject(["invalid_command", [{ path: "$.proposal" }]]);
  const stray = await command("entity", "operator", { ...payload, accounts: ["alice", "carol"] });
  expect(stray.body.error?.problems).toMatchObject([{ path: "$.accounts", value: "carol", bound: "alice, bob" }]);
}

/** The audit says which proposal it was, and by the hash of the evidence what spoke for it. */
export async function expectProposalAudited(
  exchange: ApiExchange,
  { id, score, accounts, evidenceHash }: Proposals["proposals"][number],
): Promise<void> {
  const { records } = (
    await exchange.get<{ records: { action: string; detail: { detected?: object } }[] }>(
      "/v1/audit?limit=1000",
      "viewer",
    )
  ).body;
  const [record] = records.filter(({ action }) => action === "command.entity.proposed");
  expect(record?.detail.detected).toEqual({ id, score, accounts, evidenceHash });
}
