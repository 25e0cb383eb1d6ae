import { Nonces } from "./nonces.ts";
import { idPattern, type Principal } from "./principal.ts";
import { AccessRefused } from "./refused.ts";
import { isRole, type Role } from "./roles.ts";
import { sameSignature, secretOfKey, sign, type Signed } from "./signatures.ts";
import { tokenVerifier } from "./tokens.ts";

/** An API key as the database has it; times in UTC ms. */
export interface KeyRecord {
  readonly id: string;
  /** The principal whose key it is. */
  readonly subject: string;
  readonly owner: string | null;
  readonly roles: readonly string[];
  readonly expiresAt: number | null;
  readonly revokedAt: number | null;
}

/** What has been given to whom and what was taken back: `libs/adapters/postgres` keeps it. */
export interface Directory {
  key(id: string): Promise<KeyRecord | null>;
  /** UTC ms: tokens issued to the person before are worth nothing; null: none were revoked. */
  revokedBefore(subject: string): Promise<number | null>;
}

export interface AccessOptions {
  /** Public JWKS, JSON; null: no tokens are accepted. */
  readonly jwks: string | null;
  /** What the secrets of API keys are derived from; null: no keys are accepted. */
  readonly keySecret: string | null;
  readonly directory: Directory;
  /** UTC ms. */
  readonly now?: () => number;
}

/** Everything throws `AccessRefused` for what is not accepted, and what the directory throws when it cannot be read. */
export interface Access {
  verifyToken(token: string): Promise<Principal>;
  /** `what`: `streamLogin`, or `requestText` of a request. */
  verifySignature(signed: Signed, what: string): Promise<Principal>;
  /** Whether credentials verified before still are: not expired, not revoked. */
  stillHolds(principal: Principal): Promise<boolean>;
}

export const accessLimits = {
  windowMs: 5_000,
  noncesPerKey: 10_000,
  keySecretMin: 32,
  keyLifetimeMs: 366 * 86_400_000,
} as const;
const noncePattern = /^[A-Za-z0-9_-]{8,64}$/;
const signaturePattern = /^[0-9a-f]{64}$/;
const timestampPattern = /^\d{13}$/;

/** Throws an `Error` for a JWKS or a secret that cannot be used. */
export function createAccess(options: AccessOptions): Access {
  const { jwks, keySecret, directory } = options;
  if (keySecret !== null && keySecret.length < accessLimits.keySecretMin)
    throw new Error(`the secret of API keys has fewer than ${accessLimits.keySecretMin} characters`);
  const verifier = jwks === null ? null : tokenVerifier(jwks);
  const nonces = new Nonces(accessLimits.noncesPerKey);
  const now = options.now ?? Date.now;
  return {
    async verifyToken(token) {
      if (verifier === null) throw new AccessRefused("not_configured");
      const principal = await verifier(token, now());
      await expectNotRevoked(directory, principal);
      return principal;
    },
    async verifySignature(signed, what) {
      if (keySecret === null) throw new AccessRefused("not_configured");
      expectSignature(signed, what, keySecret, now());
      const until = Number(signed.timestamp) + accessLimits.windowMs + 1;
      nonces.use(signed.key, signed.nonce, until, now());
      return principalOfKey(await directory.key(signed.key), now());
    },
    async stillHolds(principal) {
      if (principal.expiresAt <= now()) return false;
      try {
        if ("key" in principal.credential) principalOfKey(await directory.key(principal.credential.key), now());
        else await expectNotRevoked(directory, principal);
        return true;
      } catch (error) {
        if (error instanceof AccessRefused) return false;
        throw error;
      }
    },
  };
}

async function expectNotRevoked(directory: Directory, { id, credential }: Principal): Promise<void> {
  const before = await directory.revokedBefore(id);
  if ("issuedAt" in credential && before !== null && credential.issuedAt < before)
    throw new AccessRefused("token_revoked", { subject: id, key: null, verified: true });
}

/** Before anything is asked of the directory: who has no key cannot make it work. */
function expectSignature(
  { key, timestamp, nonce, signature }: Signed,
  what: string,
  master: string,
  now: number,
): void {
  const formed = idPattern.test(key) && timestampPattern.test(timestamp) && noncePattern.test(nonce);
  if (!formed || !signaturePattern.test(signature)) throw new AccessRefused("signature_malformed");
  const claimed = { subject: null, key, verified: false };
  if (Math.abs(Number(timestamp) - now) > accessLimits.windowMs) throw new AccessRefused("timestamp_outside", claimed);
  const expected = sign(secretOfKey(master, key), timestamp, nonce, what);
  if (!sameSignature(expected, signature)) throw new AccessRefused("signature_wrong", claimed);
}

function principalOfKey(record: KeyRecord | null, now: number): Principal {
  if (record === null) throw new AccessRefused("key_unknown");
  const claimed = { subject: record.subject, key: record.id, verified: true };
  if (record.revokedAt !== null) throw new AccessRefused("key_revoked", claimed);
  const expiresAt = record.expiresAt ?? now + accessLimits.keyLifetimeMs;
  if (expiresAt <= now) throw new AccessRefused("key_expired", claimed);
  const roles = new Set<Role>(record.roles.filter(isRole));
  return { id: record.subject, roles, owner: record.owner, expiresAt, credential: { key: record.id } };
}
