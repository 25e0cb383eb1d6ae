import { createPrivateKey, randomUUID, sign as signBytes } from "node:crypto";
import { newKeyPair, type Role, secretOfKey, sign, streamLogin } from "#libs/access/index.ts";
import { createApiKey, type Database, revokeApiKey, revokeTokens } from "#libs/adapters/postgres/index.ts";
import { channelKinds, type ChannelName } from "#libs/contracts/stream/channels.ts";
import type { StreamProcess } from "./stream-process.ts";
import { table } from "./table.ts";

/** People: what they are, and whose. */
export const people = {
  bob: [["trader"], "bob"],
  fund: [["trader"], "fund"],
  viewer: [["viewer"], null],
  operator: [["operator"], null],
  officer: [["officer"], null],
  admin: [["admin"], null],
  bobViewer: [["trader", "viewer"], "bob"],
  bobAdmin: [["trader", "admin"], "bob"],
} as const satisfies Readonly<Record<string, readonly [roles: readonly Role[], owner: string | null]>>;
export type Person = keyof typeof people;

/*
 * Who may read what, by hand. `bob` is an account that nobody's entity has, `alpha` and `beta` those of the entity `fund`, `fund` an account that
 * bears an entity's name, `nobody` one that is not there, `insurance` the system's. y: subscribed; f: forbidden.
 */
const accounts = table(`
  account   | bob | fund | viewer | operator | officer | admin | bobViewer | bobAdmin
  bob       | y   | f    | y      | y        | y       | f     | y         | y
  alpha     | f   | y    | y      | y        | y       | f     | y         | f
  beta      | f   | y    | y      | y        | y       | f     | y         | f
  fund      | f   | f    | y      | y        | y       | f     | y         | f
  nobody    | f   | f    | y      | y        | y       | f     | y         | f
  insurance | f   | f    | y      | y        | y       | f     | y         | f
`);
/** Of every channel of an account alike. */
const ofAccounts: readonly ChannelName[] = ["margin", "positions", "orders", "liquidations", "adl"];
const others = table(`
  channel             | bob | fund | viewer | operator | officer | admin | bobViewer | bobAdmin
  marks               | y   | y    | y      | y        | y       | y     | y         | y
  funding             | y   | y    | y      | y        | y       | y     | y         | y
  halts               | y   | y    | y      | y        | y       | y     | y         | y
  fund                | y   | y    | y      | y        | y       | y     | y         | y
  overview            | f   | f    | y      | y        | y       | f     | y         | f
  sagas               | f   | f    | y      | y        | y       | f     | y         | f
  alerts              | f   | f    | y      | y        | y       | f     | y         | f
  facts               | f   | f    | y      | y        | y       | f     | y         | f
  instrument.BTC-PERP | f   | f    | y      | y        | y       | f     | y         | f
`);

/** Every channel that there is, and whether a person may read it. */
export function rightsOf(person: Person): readonly (readonly [channel: string, may: boolean])[] {
  const told = [...ofAccounts, ...others.map(({ channel }) => channel.split(".")[0])];
  const missing = Object.keys(channelKinds).filter((name) => !told.includes(name));
  if (missing.length > 0) throw new Error(`nobody has said who may read ${missing.join(", ")}`);
  return [
    ...ofAccounts.flatMap((name) => accounts.map((row) => [`${name}.${row.account}`, row[person] === "y"] as const)),
    ...others.map((row) => [row.channel, row[person] === "y"] as const),
  ];
}

/** What becomes of a login, by hand. A token may be used again, a signature may not. -: there is no such login. */
export const loginStates = table(`
  state    | token           | key
  good     | ok              | ok
  again    | ok              | nonce_used
  altered  | token_malformed | signature_wrong
  foreign  | token_malformed | signature_wrong
  misused  | token_claims    | signature_wrong
  early    | token_expired   | timestamp_outside
  late     | token_expired   | timestamp_outside
  expired  | token_expired   | key_expired
  revoked  | token_revoked   | key_revoked
  long     | token_expired   | -
  roleless | token_claims    | -
  unowned  | token_claims    | -
  unsigned | token_malformed | -
  unknown  | -               | key_unknown
`);
export type LoginState = (typeof loginStates)[number]["state"];

const minuteMs = 60_000;
const hourMs = 60 * minuteMs;
const encoded = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString("base64url");

/** A JWT with any claims, times in ms; `privateKey`: a JWK. */
function jwt(privateKey: string, claims: object, head: object = { alg: "EdDSA" }): string {
  const key = JSON.parse(privateKey) as { readonly kid?: string };
  const text = `${encoded({ kid: key.kid, ...head })}.${encoded(claims)}`;
  const signature = signBytes(null, Buffer.from(text), createPrivateKey({ key, format: "jwk" }));
  return `${text}.${signature.toString("base64url")}`;
}

/** A token of bob's in a state: what is sent, and again where that is the point. */
export async function tokenIn(state: string, streams: StreamProcess, db: Database): Promise<readonly object[]> {
  const now = Date.now();
  const seconds = (ms: number): number => Math.floor((now + ms) / 1_000);
  const subject = `bob-${randomUUID()}`;
  const claims = (changes: object = {}): object => ({
    sub: subject,
    iss: "plimsoll",
    aud: "plimsoll",
    roles: ["trader"],
    owner: "bob",
    iat: seconds(0),
    exp: seconds(hourMs),
    ...changes,
  });
  const { privateKey } = streams;
  const good = jwt(privateKey, claims());
  const [head = "", , tail = ""] = good.split(".");
  if (state === "revoked") await revokeTokens(db, subject, now + minuteMs);
  const made: Readonly<Record<string, () => Promise<string> | string>> = {
    good: () => good,
    again: () => good,
    revoked: () => good,
    altered: () => [head, encoded(claims({ roles: ["officer"], owner: null })), tail].join("."),
    foreign: async () => jwt((await newKeyPair()).privateKey, claims()),
    misused: () => jwt(privateKey, claims({ aud: "another" })),
    early: () => jwt(privateKey, claims({ iat: seconds(minuteMs) })),
    late: () => jwt(privateKey, claims({ iat: seconds(-2 * hourMs), exp: seconds(-hourMs) })),
    expired: () => jwt(privateKey, claims({ iat: seconds(-minuteMs), exp: seconds(-10_000) })),
    long: () => jwt(privateKey, claims({ exp: seconds(13 * hourMs) })),
    roleless: () => jwt(privateKey, claims({ roles: [] })),
    unowned: () => jwt(privateKey, claims({ owner: undefined })),
    unsigned: () => `${encoded({ alg: "none" })}.${encoded(claims())}.`,
  };
  const token = await made[state]?.();
  if (token === undefined) throw new Error(`there is no token that is ${state}`);
  return state === "again" ? [{ token }, { token }] : [{ token }];
}

/** A signature under a key of bob's in a state. */
export async function signatureIn(state: string, streams: StreamProcess, db: Database): Promise<readonly object[]> {
  const now = Date.now();
  const key = `bob-${randomUUID().slice(0, 8)}`;
  const expiresAt = state === "expired" ? now - 1_000 : null;
  const record = { id: key, subject: key, owner: "bob", roles: ["trader"], label: "", expiresAt };
  if (state !== "unknown") await createApiKey(db, record);
  if (state === "revoked") await revokeApiKey(db, key);
  const timestamp = state === "early" ? now + 6_000 : state === "late" ? now - 6_000 : now;
  const nonce = randomUUID();
  const secret = state === "foreign" ? "another secret" : secretOfKey(streams.keySecret, key);
  const what = state === "misused" ? "GET /v1/other" : streamLogin;
  const signature = sign(secret, String(timestamp), nonce, what);
  const login = { key, timestamp: state === "altered" ? timestamp + 1 : timestamp, nonce, signature };
  return state === "again" ? [login, login] : [login];
}
