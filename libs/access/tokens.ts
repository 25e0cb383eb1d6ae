import { createLocalJWKSet, errors, importJWK, type JSONWebKeySet, type JWK, jwtVerify, SignJWT } from "jose";
import { idPattern, type Principal, principalId } from "./principal.ts";
import { AccessRefused, type Claimed } from "./refused.ts";
import { isRole, type Role } from "./roles.ts";

export const tokenLimits = { lengthMax: 4_096, lifetimeMs: 12 * 3_600_000, clockToleranceMs: 5_000 } as const;

/** Both sides of a token say so, that none made for another purpose by the same key is accepted. */
const issuer = "plimsoll";
const algorithm = "EdDSA";

export interface Claims {
  readonly subject: string;
  readonly roles: readonly Role[];
  readonly owner?: string | null | undefined;
}

/** A token's verifier for a public JWKS (JSON). Throws an `Error` that says so when that is not one, or holds a private key. */
export function tokenVerifier(jwks: string): (token: string, now: number) => Promise<Principal> {
  const keys = readKeys(jwks);
  const keySet = createLocalJWKSet(keys);
  return async (token, now) => {
    if (token.length > tokenLimits.lengthMax) throw new AccessRefused("token_malformed");
    const clockTolerance = tokenLimits.clockToleranceMs / 1_000;
    const options = { algorithms: [algorithm], issuer, audience: issuer, requiredClaims: ["sub", "iat", "exp"] };
    const { payload } = await jwtVerify(token, keySet, {
      ...options,
      clockTolerance,
      currentDate: new Date(now),
    }).catch((error: unknown) => {
      throw new AccessRefused(codeOf(error), claimedBy(error));
    });
    return principalOf(payload, now);
  };
}

function readKeys(jwks: string): JSONWebKeySet {
  const value = JSON.parse(jwks) as { readonly keys?: readonly JWK[] };
  const { keys } = value;
  if (!Array.isArray(keys) || keys.length === 0) throw new Error("the JWKS holds no keys");
  if (keys.some((key) => key.kty !== "OKP" || key.crv !== "Ed25519"))
    throw new Error("the JWKS may hold Ed25519 keys only");
  if (keys.some((key) => key.d !== undefined))
    throw new Error("the JWKS holds a private key: it belongs with the issuer alone");
  return value as JSONWebKeySet;
}

function codeOf(error: unknown): "token_expired" | "token_claims" | "token_malformed" {
  if (error instanceof errors.JWTExpired) return "token_expired";
  if (error instanceof errors.JWTClaimValidationFailed) return error.claim === "nbf" ? "token_expired" : "token_claims";
  return "token_malformed";
}

/** Claims are looked at once the signature is known to be right. */
function claimedBy(error: unknown): Claimed | null {
  if (!(error instanceof errors.JWTExpired || error instanceof errors.JWTClaimValidationFailed)) return null;
  const { sub } = error.payload;
  return typeof sub === "string" && principalId.test(sub) ? { subject: sub, key: null, verified: true } : null;
}

function principalOf(payload: Readonly<Record<string, unknown>>, now: number): Principal {
  const { sub, roles: given, owner = null, iat, exp } = payload;
  const [issuedAt, expiresAt] = [Number(iat) * 1_000, Number(exp) * 1_000];
  if (issuedAt > now + tokenLimits.clockToleranceMs || expiresAt - issuedAt > tokenLimits.lifetimeMs)
    throw new AccessRefused("token_expired");
  if (typeof sub !== "string" || !principalId.test(sub)) throw new AccessRefused("token_claims");
  if (!Array.isArray(given) || given.length === 0 || !given.every(isRole)) throw new AccessRefused("token_claims");
  if (!fits(given, owner)) throw new AccessRefused("token_claims");
  return { id: sub, roles: new Set(given), owner, expiresAt, credential: { issuedAt } };
}

/** A trader has an owner, and nobody else. */
function fits(roles: readonly Role[], owner: unknown): owner is string | null {
  if (!roles.includes("trader")) return owner === null;
  return typeof owner === "string" && idPattern.test(owner);
}

/** A token for `lifetimeMs` from `now`, signed with a private JWK (JSON). Throws an `Error` for claims that no verifier accepts. */
export async function issueToken(privateKey: string, claims: Claims, lifetimeMs: number, now: number): Promise<string> {
  const { subject, roles, owner = null } = claims;
  if (!principalId.test(subject)) throw new Error("a subject is letters, digits, _ . @ and -, at most 64");
  if (roles.length === 0 || !fits(roles, owner)) throw new Error("a trader has an owner, and nobody else has one");
  if (lifetimeMs > tokenLimits.lifetimeMs) throw new Error("a token is valid for at most twelve hours");
  const jwk = JSON.parse(privateKey) as JWK;
  if (jwk.d === undefined) throw new Error("not a private key");
  const key = await importJWK(jwk, algorithm);
  const issuedAt = Math.floor(now / 1_000);
  return new SignJWT({ roles: [...roles], ...(owner === null ? {} : { owner }) })
    .setProtectedHeader({ alg: algorithm, ...(jwk.kid === undefined ? {} : { kid: jwk.kid }) })
    .setSubject(subject)
    .setIssuer(issuer)
    .setAudience(issuer)
    .setIssuedAt(issuedAt)
    .setExpirationTime(issuedAt + Math.floor(lifetimeMs / 1_000))
    .sign(key);
}
