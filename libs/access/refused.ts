/** Why credentials are not accepted: stable codes. */
export const accessCodes = {
  no_credentials: "there are no credentials, or of two kinds",
  not_configured: "this deployment accepts no credentials of that kind",
  token_malformed: "the token is not one, or not signed with EdDSA by a known key",
  token_expired: "the token has expired, is not valid yet, or is valid for longer than twelve hours",
  token_claims: "the token does not say who it is for, or says what no role allows",
  token_revoked: "what this person was given before has been revoked",
  signature_malformed: "key, timestamp, nonce or signature is missing or not well formed",
  timestamp_outside: "the timestamp is more than five seconds from the server's clock",
  signature_wrong: "the signature is not that of this request by this key",
  nonce_used: "the nonce has been used",
  too_many_requests: "more signed requests within the window than are remembered",
  key_unknown: "there is no such key",
  key_expired: "the key has expired",
  key_revoked: "the key has been revoked",
} as const;
export type AccessCode = keyof typeof accessCodes;

/** Whose credentials they were that are not accepted: for records, never for the answer. */
export interface Claimed {
  /** The person or the program; null: only the key is known. */
  readonly subject: string | null;
  /** null: a token. */
  readonly key: string | null;
  /** The signature was right: it is them, and what they have is worth nothing any more. Else somebody says that it is. */
  readonly verified: boolean;
}

/** Credentials that are not accepted. Says nothing of what would have been. */
export class AccessRefused extends Error {
  readonly code: AccessCode;
  readonly claimed: Claimed | null;

  constructor(code: AccessCode, claimed: Claimed | null = null) {
    super(accessCodes[code]);
    this.name = "AccessRefused";
    this.code = code;
    this.claimed = claimed;
  }
}
