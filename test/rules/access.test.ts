import { createHmac } from "node:crypto";
import { exportJWK, generateKeyPair, importJWK, type JWK, SignJWT } from "jose";
import { beforeAll, expect, test } from "vitest";
import {
  accessLimits,
  createAccess,
  issueToken,
  type KeyRecord,
  may,
  mayApprove,
  mayRead,
  newKeyPair,
  ownersOf,
  type Principal,
  requestText,
  type Right,
  type Role,
  roles,
  secretOfKey,
  streamLogin,
} from "#libs/access/index.ts";
import { table } from "#test/support/table.ts";

const hour = 3_600_000;
const now = Date.UTC(2026, 0, 2);
const master = "m".repeat(32);
let pair: { readonly privateKey: string; readonly jwks: string };
beforeAll(async () => {
  pair = await newKeyPair();
});

const keys = new Map<string, KeyRecord>();
const revoked = new Map<string, number>();
const directory = {
  key: async (id: string) => Promise.resolve(keys.get(id) ?? null),
  revokedBefore: async (subject: string) => Promise.resolve(revoked.get(subject) ?? null),
};
const accessAt = (t = now) => createAccess({ jwks: pair.jwks, keySecret: master, directory, now: () => t });
const key = (id: string, other: Partial<KeyRecord> = {}): void => {
  keys.set(id, { id, subject: id, owner: id, roles: ["trader"], expiresAt: null, revokedAt: null, ...other });
};
const principal = (role: Role, owner: string | null = null): Principal => ({
  id: role,
  roles: new Set([role]),
  owner,
  expiresAt: now,
  credential: { issuedAt: 0 },
});

const expected = table(`
  right    | trader | viewer | operator | officer | admin
  public   | yes    | yes    | yes      | yes     | yes
  read_own | yes    | yes    | yes      | yes     | no
  read     | no     | yes    | yes      | yes     | no
  command  | no     | no     | yes      | yes     | no
  approve  | no     | no     | no       | yes     | no
  keys     | no     | no     | no       | no      | yes
`);

test.each(expected)("who has the right $right", (row) => {
  for (const role of roles) expect(may(principal(role), row.right as Right), role).toBe(row[role] === "yes");
});

test("a trader reads what is their owner's, whoever reads everything all of it, an admin nothing", () => {
  expect(mayRead(principal("trader", "a"), "a")).toBe(true);
  expect(mayRead(principal("trader", "a"), "b")).toBe(false);
  expect(mayRead(principal("trader", null), "b")).toBe(false);
  for (const role of ["viewer", "operator", "officer"] as const) expect(mayRead(principal(role), "b")).toBe(true);
  expect(mayRead(principal("admin"), "b")).toBe(false);
});

test("nobody approves what they proposed, and only officers approve", () => {
  expect(mayApprove(principal("officer"), "ann")).toBe(true);
  expect(mayApprove(principal("officer"), "officer")).toBe(false);
  expect(mayApprove(principal("operator"), "ann")).toBe(false);
});

test("an account is its entity's, else its own; beside an entity of its name it is nobody's", () => {
  const ownerOf = ownersOf({ smith: { accounts: ["a", "b"] } });
  expect(["a", "b", "c"].map(ownerOf)).toEqual(["smith", "smith", "c"]);
  expect(mayRead(principal("trader", "smith"), ownerOf("smith"))).toBe(false);
  expect(ownersOf()("a")).toBe("a");
});

test("a token says who, in which roles, for which owner and how long", async () => {
  const token = await issueToken(pair.privateKey, { subject: "al@x", roles: ["trader"], owner: "al" }, hour, now);
  expect(await accessAt().verifyToken(token)).toEqual({
    id: "al@x",
    roles: new Set(["trader"]),
    owner: "al",
    expiresAt: now + hour,
    credential: { issuedAt: now },
  });
  await expect(accessAt(now + hour + 6_000).verifyToken(token)).rejects.toMatchObject({ code: "token_expired" });
  await expect(accessAt(now - hour).verifyToken(token)).rejects.toMatchObject({ code: expect.stringMatching(/token/) });
});

test("tokens issued before a revocation are worth nothing, those after it are", async () => {
  const claims = { subject: "eve", roles: ["viewer"] as const };
  const token = await issueToken(pair.privateKey, claims, hour, now);
  const access = accessAt();
  const before = await access.verifyToken(token);
  expect(await access.stillHolds(before)).toBe(true);
  revoked.set("eve", now + 1_000);
  await expect(access.verifyToken(token)).rejects.toMatchObject({ code: "token_revoked" });
  expect(await access.stillHolds(before)).toBe(false);
  const later = await issueToken(pair.privateKey, claims, hour, now + 2_000);
  expect((await accessAt(now + 2_000).verifyToken(later)).id).toBe("eve");
});

const b64 = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString("base64url");
const body = {
  iss: "plimsoll",
  aud: "plimsoll",
  sub: "eve",
  iat: now / 1_000,
  exp: now / 1_000 + 60,
  roles: ["viewer"],
};

async function signed(claims: object, privateKey = pair.privateKey): Promise<string> {
  const jwk = JSON.parse(privateKey) as JWK;
  return new SignJWT({ ...claims })
    .setProtectedHeader({ alg: "EdDSA", kid: jwk.kid ?? "" })
    .sign(await importJWK(jwk, "EdDSA"));
}

const forgeries: Readonly<Record<string, () => Promise<string>>> = {
  "no token": async () => Promise.resolve("hello"),
  "no signature": async () => Promise.resolve(`${b64({ alg: "none" })}.${b64(body)}.`),
  "the public key as a shared secret": async () => {
    const text = `${b64({ alg: "HS256" })}.${b64(body)}`;
    return Promise.resolve(`${text}.${createHmac("sha256", pair.jwks).update(text).digest("base64url")}`);
  },
  "somebody else's key": async () => signed(body, (await newKeyPair()).privateKey),
  "another person written into it": async () => {
    const [head, , signature] = (await signed(body)).split(".");
    return [head, b64({ ...body, sub: "ann" }), signature].join(".");
  },
  "another role written into it": async () => {
    const [head, , signature] = (await signed(body)).split(".");
    return [head, b64({ ...body, roles: ["officer"] }), signature].join(".");
  },
  "a key of its own": async () => {
    const other = await generateKeyPair("EdDSA", { extractable: true });
    const jwk = await exportJWK(other.publicKey);
    return new SignJWT(body).setProtectedHeader({ alg: "EdDSA", jwk }).sign(other.privateKey);
  },
  "more than a token's length": async () => signed({ ...body, more: "x".repeat(5_000) }),
};

test.each(Object.keys(forgeries))("a token with %s is refused", async (name) => {
  await expect(accessAt().verifyToken(await (forgeries[name] as () => Promise<string>)())).rejects.toMatchObject({
    code: "token_malformed",
  });
});

test.each([
  [{ ...body, aud: "other" }, "token_claims"],
  [{ ...body, iss: "other" }, "token_claims"],
  [{ ...body, sub: undefined }, "token_claims"],
  [{ ...body, sub: "a b" }, "token_claims"],
  [{ ...body, roles: [] }, "token_claims"],
  [{ ...body, roles: "officer" }, "token_claims"],
  [{ ...body, roles: ["viewer", "root"] }, "token_claims"],
  [{ ...body, owner: "al" }, "token_claims"],
  [{ ...body, roles: ["trader"] }, "token_claims"],
  [{ ...body, roles: ["trader"], owner: "a b" }, "token_claims"],
  [{ ...body, exp: undefined }, "token_claims"],
  [{ ...body, exp: body.iat + 12 * 3_600 + 1 }, "token_expired"],
  [{ ...body, exp: body.iat - 60 }, "token_expired"],
  [{ ...body, nbf: body.iat + 60 }, "token_expired"],
])("claims that nobody may make are refused: %j", async (claims, code) => {
  await expect(accessAt().verifyToken(await signed(claims))).rejects.toMatchObject({ code });
});

test("a signature is that of one request by one key, within five seconds, once", async () => {
  key("k1", { owner: "al" });
  const access = accessAt();
  const what = requestText("POST", "/v1/halts?a=1", '{"x":1}', "once");
  const by = (t: number, nonce: string, text = what, secret = secretOfKey(master, "k1")) => ({
    key: "k1",
    timestamp: String(t),
    nonce,
    signature: createHmac("sha256", secret).update(`${t}\n${nonce}\n${text}`).digest("hex"),
  });
  const { id, owner, credential } = await access.verifySignature(by(now, "nonce-01"), what);
  expect({ id, owner, credential }).toEqual({ id: "k1", owner: "al", credential: { key: "k1" } });
  await expect(access.verifySignature(by(now, "nonce-01"), what)).rejects.toMatchObject({ code: "nonce_used" });
  for (const other of [
    requestText("POST", "/v1/halts?a=2", '{"x":1}', "once"),
    requestText("PUT", "/v1/halts?a=1", '{"x":1}', "once"),
    requestText("POST", "/v1/halts?a=1", '{"x":2}', "once"),
    requestText("POST", "/v1/halts?a=1", '{"x":1}', "twice"),
    requestText("POST", "/v1/halts?a=1", '{"x":1}'),
    streamLogin,
  ])
    await expect(access.verifySignature(by(now, "nonce-02"), other)).rejects.toMatchObject({ code: "signature_wrong" });
  const foreign = by(now, "nonce-03", what, secretOfKey(master, "k2"));
  await expect(access.verifySignature(foreign, what)).rejects.toMatchObject({ code: "signature_wrong" });
  for (const t of [now - 5_001, now + 5_001])
    await expect(access.verifySignature(by(t, "nonce-04"), what)).rejects.toMatchObject({ code: "timestamp_outside" });
  for (const t of [now - 5_000, now + 5_000])
    expect((await access.verifySignature(by(t, `nonce${t}`), what)).id).toBe("k1");
  for (const wrong of [{ nonce: "short" }, { signature: "00" }, { timestamp: "1e12" }, { key: "a b" }])
    await expect(access.verifySignature({ ...by(now, "nonce-05"), ...wrong }, what)).rejects.toMatchObject({
      code: "signature_malformed",
    });
});

test("keys that are unknown, revoked or expired are refused, also where they were good before", async () => {
  const access = accessAt();
  const login = async (id: string, nonce: string) => {
    const text = `${now}\n${nonce}\n${streamLogin}`;
    const signature = createHmac("sha256", secretOfKey(master, id)).update(text).digest("hex");
    return access.verifySignature({ key: id, timestamp: String(now), nonce, signature }, streamLogin);
  };
  await expect(login("nobody", "nonce-11")).rejects.toMatchObject({ code: "key_unknown" });
  key("old", { expiresAt: now });
  await expect(login("old", "nonce-11")).rejects.toMatchObject({ code: "key_expired" });
  key("k3");
  const before = await login("k3", "nonce-12");
  key("k3", { revokedAt: now });
  await expect(login("k3", "nonce-13")).rejects.toMatchObject({ code: "key_revoked" });
  expect(await access.stillHolds(before)).toBe(false);
});

test("nonces are remembered for the window, within a bound, and not of requests that nobody signed", async () => {
  key("busy");
  let t = now;
  const access = createAccess({ jwks: null, keySecret: master, directory, now: () => t });
  const secret = secretOfKey(master, "busy");
  const login = async (nonce: string) => {
    const signature = createHmac("sha256", secret).update(`${t}\n${nonce}\n${streamLogin}`).digest("hex");
    return access.verifySignature({ key: "busy", timestamp: String(t), nonce, signature }, streamLogin);
  };
  const forged = { key: "busy", timestamp: String(t), nonce: "nonce-20", signature: "0".repeat(64) };
  await expect(access.verifySignature(forged, streamLogin)).rejects.toMatchObject({ code: "signature_wrong" });
  for (let at = 0; at < accessLimits.noncesPerKey; at += 1) await login(`nonce-${10_000 + at}`);
  await expect(login("one-more")).rejects.toMatchObject({ code: "too_many_requests" });
  t += accessLimits.windowMs + 1;
  expect((await login("one-more")).id).toBe("busy");
  await expect(access.verifyToken("x")).rejects.toMatchObject({ code: "not_configured" });
});

test("a JWKS with a private key, without keys, or of another kind is refused at once, and so is a short secret", () => {
  const open = (jwks: string | null, keySecret: string | null) => () => createAccess({ jwks, keySecret, directory });
  expect(open(JSON.stringify({ keys: [JSON.parse(pair.privateKey)] }), null)).toThrow("private key");
  expect(open('{"keys":[]}', null)).toThrow("no keys");
  expect(open('{"keys":[{"kty":"oct","k":"AA"}]}', null)).toThrow("Ed25519");
  expect(open(null, "short")).toThrow("32 characters");
});

test("nobody is issued what no verifier accepts", async () => {
  const issue = async (claims: Parameters<typeof issueToken>[1], ms = hour) =>
    issueToken(pair.privateKey, claims, ms, now);
  await expect(issue({ subject: "a b", roles: ["viewer"] })).rejects.toThrow("subject");
  await expect(issue({ subject: "a", roles: ["trader"] })).rejects.toThrow("owner");
  await expect(issue({ subject: "a", roles: ["viewer"], owner: "a" })).rejects.toThrow("owner");
  await expect(issue({ subject: "a", roles: ["viewer"] }, 13 * hour)).rejects.toThrow("twelve hours");
  await expect(
    issueToken(
      JSON.stringify((JSON.parse(pair.jwks) as { keys: unknown[] }).keys[0]),
      { subject: "a", roles: ["viewer"] },
      hour,
      now,
    ),
  ).rejects.toThrow("private");
});
