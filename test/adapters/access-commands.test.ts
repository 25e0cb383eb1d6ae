import { afterAll, beforeAll, expect, test } from "vitest";
import { run } from "#apps/cli/program.ts";
import { openDatabase, readApiKey, readAudit, verifyAudit } from "#libs/adapters/postgres/index.ts";
import type { Database } from "#libs/adapters/postgres/index.ts";
import { createAccess, requestText, sign } from "#libs/access/index.ts";
import { listened } from "#test/support/listened.ts";
import { migratedPostgres } from "#test/support/servers.ts";

let db: Database;
let url = "";
const keySecret = "s".repeat(40);

beforeAll(async () => {
  ({ url } = await migratedPostgres());
  db = openDatabase({ url, name: "owner" });
}, 60_000);
afterAll(async () => db.close());

const command = async (...words: string[]) =>
  listened({ DATABASE_URL: url, PLIMSOLL_KEY_SECRET: keySecret }, async () => run(words));
const directory = { key: async (id: string) => readApiKey(db, id), revokedBefore: async () => Promise.resolve(null) };

test("a key from the command line signs requests until it is revoked, and both are audited", async () => {
  const made = await command("key", "create", "alice", "--role", "trader", "--owner", "alice", "--label", "her bot");
  const { key, secret } = JSON.parse(made.stdout) as { key: string; secret: string };
  const access = createAccess({ jwks: null, keySecret, directory });
  const login = async (nonce: string) => {
    const timestamp = String(Date.now());
    const what = requestText("GET", "/v1/accounts/alice", "");
    return access.verifySignature({ key, timestamp, nonce, signature: sign(secret, timestamp, nonce, what) }, what);
  };
  expect((await login("nonce-01")).owner).toBe("alice");
  const listed = (await command("key", "list")).stdout;
  expect(listed).toContain(key);
  expect(listed).not.toContain(secret);
  expect((await command("key", "revoke", key)).exit).toBe(0);
  await expect(login("nonce-02")).rejects.toMatchObject({ code: "key_revoked" });
  expect((await command("key", "revoke", "nobody")).exit).toBe(1);
  const records = await readAudit(db, 0);
  expect(records.map(({ action }) => action)).toEqual(["key.create", "key.revoke"]);
  expect(JSON.stringify(records)).not.toContain(secret);
  expect((await verifyAudit(db)).seq).toBe(2);
});

test("a key pair of the command line signs tokens that its own JWKS accepts", async () => {
  const [privateKey = "", jwks = ""] = [...(await command("token", "key-pair")).stdout.matchAll(/='(.*)'/g)].map(
    ([, value]) => value ?? "",
  );
  const issue = async (...words: string[]) =>
    listened({ PLIMSOLL_TOKEN_KEY: privateKey }, async () => run(["token", "issue", ...words]));
  const access = createAccess({ jwks, keySecret: null, directory });
  const { stdout } = await issue("ann", "--role", "operator", "viewer");
  expect(await access.verifyToken(stdout.trim())).toMatchObject({ id: "ann", roles: new Set(["operator", "viewer"]) });
  expect((await issue("al", "--role", "trader")).exit).toBe(2);
  expect((await issue("al", "--role", "king")).exit).toBe(64);
  expect((await listened({}, async () => run(["token", "issue", "ann", "--role", "viewer"]))).exit).toBe(2);
});

test("revoking a person's tokens is audited", async () => {
  expect((await command("token", "revoke", "ann")).exit).toBe(0);
  expect((await readAudit(db, 0)).at(-1)).toMatchObject({ action: "token.revoke", detail: { subject: "ann" } });
});

test("the audit is listed and verified, and what was changed or cut off is found", async () => {
  const { exit, stdout } = await command("audit", "verify");
  const head = stdout.trim();
  expect([exit, head]).toEqual([0, expect.stringMatching(/^3:[0-9a-f]{64}$/)]);
  expect((await command("audit", "list")).stdout).toMatch(/key\.create[^]*key\.revoke[^]*token\.revoke/);
  expect((await command("audit", "list", "--after", "2", "--json")).stdout.trim().split("\n")).toHaveLength(1);
  expect((await command("audit", "verify", head)).exit).toBe(0);
  expect((await command("audit", "verify", "3:no")).exit).toBe(2);
  for (const name of ["audit_final", "audit_chained"])
    await db.query({ text: `ALTER TABLE audit DISABLE TRIGGER ${name}` });
  await db.query({ text: "DELETE FROM audit WHERE seq = 3" });
  await db.query({ text: "ALTER TABLE audit_head DISABLE TRIGGER audit_head_monotone" });
  await db.query({ text: "UPDATE audit_head SET (seq, hash) = (SELECT seq, hash FROM audit WHERE seq = 2)" });
  expect((await command("audit", "verify")).exit).toBe(0);
  expect(await command("audit", "verify", head)).toMatchObject({ exit: 1, stderr: expect.stringContaining("missing") });
  await db.query({ text: "UPDATE audit SET detail = '{}' WHERE seq = 1" });
  expect(await command("audit", "verify")).toMatchObject({ exit: 1, stderr: expect.stringContaining("changed") });
});
