import { afterAll, beforeAll, expect, test } from "vitest";
import {
  createApiKey,
  type Database,
  listApiKeys,
  openDatabase,
  readApiKey,
  revokeApiKey,
  revokeTokens,
  tokensRevokedBefore,
} from "#libs/adapters/postgres/index.ts";
import { urlAs } from "#test/support/database-roles.ts";
import { migratedPostgres } from "#test/support/servers.ts";

let owner: Database;
let api: Database;

beforeAll(async () => {
  const { url } = await migratedPostgres();
  owner = openDatabase({ url, name: "owner" });
  api = openDatabase({ url: await urlAs("api", url), name: "api" });
}, 60_000);
afterAll(() => Promise.all([owner.close(), api.close()]));

const key = { subject: "alice", owner: "alice", roles: ["trader"], label: "her bot", expiresAt: 1_800_000_000_000 };

test("a key is made once, read as it was made, and revoked for ever", async () => {
  await createApiKey(api, { ...key, id: "k1" });
  await expect(createApiKey(api, { ...key, id: "k1" })).rejects.toMatchObject({ constraint: "api_key_pkey" });
  await createApiKey(api, { ...key, id: "k2", owner: null, roles: ["viewer"], expiresAt: null });
  expect(await readApiKey(api, "k1")).toMatchObject({ ...key, id: "k1", revokedAt: null });
  expect(await readApiKey(api, "nobody")).toBeNull();
  expect((await listApiKeys(api, "", 10)).map(({ id }) => id)).toEqual(["k1", "k2"]);
  expect((await listApiKeys(api, "k1", 10)).map(({ id }) => id)).toEqual(["k2"]);
  expect(await revokeApiKey(api, "k1")).toBe(true);
  const { revokedAt } = (await readApiKey(api, "k1")) ?? {};
  expect(revokedAt).toEqual(expect.any(Number));
  expect(await revokeApiKey(api, "k1")).toBe(true);
  expect((await readApiKey(api, "k1"))?.revokedAt).toBe(revokedAt);
  expect(await revokeApiKey(api, "nobody")).toBe(false);
  await expect(owner.query({ text: "UPDATE api_key SET revoked_at = NULL WHERE id = 'k1'" })).rejects.toMatchObject({
    constraint: "PL003",
  });
});

test.each([
  { ...key, owner: null },
  { ...key, roles: ["viewer"] },
  { ...key, roles: [] },
  { ...key, roles: ["root"] },
  { ...key, subject: "a b" },
])("the database refuses a key that nobody may have: %j", async (wrong) => {
  await expect(createApiKey(api, { ...wrong, id: "bad" })).rejects.toMatchObject({ name: "ConstraintBroken" });
});

test("nobody can give a key more than it was made with", async () => {
  const text = "UPDATE api_key SET roles = ARRAY['admin'] WHERE id = 'k2'";
  await expect(api.query({ text })).rejects.toMatchObject({ code: "42501" });
});

test("a revocation of tokens only ever reaches further", async () => {
  expect(await tokensRevokedBefore(api, "ann")).toBeNull();
  await revokeTokens(api, "ann", 2_000);
  await revokeTokens(api, "ann", 1_000);
  expect(await tokensRevokedBefore(api, "ann")).toBe(2_000);
  await revokeTokens(api, "ann", 3_000);
  expect(await tokensRevokedBefore(api, "ann")).toBe(3_000);
});
