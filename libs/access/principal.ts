import type { Role } from "./roles.ts";

/** Somebody whose credentials have been verified. */
export interface Principal {
  /** The person or the program, the same for all their tokens and keys. */
  readonly id: string;
  readonly roles: ReadonlySet<Role>;
  /** Whose accounts a trader may read; null: nobody's. */
  readonly owner: string | null;
  /** UTC ms from which these credentials are worth nothing; a connection that lasts longer is to be closed. */
  readonly expiresAt: number;
  /** What it was known by: a key's id, or when its token was issued (UTC ms). What is revoked later is recognised by it. */
  readonly credential: { readonly key: string } | { readonly issuedAt: number };
}

export const principalId = /^[A-Za-z0-9_.@-]{1,64}$/;
export const idPattern = /^[A-Za-z0-9_-]{1,64}$/;
