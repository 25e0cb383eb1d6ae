import type { Principal } from "./principal.ts";

/** Who somebody may be. A principal may have several; what any of them allows, it may do. */
export const roles = ["trader", "viewer", "operator", "officer", "admin"] as const;
export type Role = (typeof roles)[number];

/**
 * The one table of rights. `read_own`: the accounts of one's owner. `read`: everything. `command`: what takes effect at once, and proposals of
 * what does not. `approve`: as the second person. `keys`: API keys of traders and viewers.
 */
export const rights = {
  public: ["trader", "viewer", "operator", "officer", "admin"],
  read_own: ["trader", "viewer", "operator", "officer"],
  read: ["viewer", "operator", "officer"],
  command: ["operator", "officer"],
  approve: ["officer"],
  keys: ["admin"],
} as const satisfies Readonly<Record<string, readonly Role[]>>;
export type Right = keyof typeof rights;

/** Roles that nobody is given over the network: they come from a signed token or from the command line. */
export const privilegedRoles: readonly Role[] = ["operator", "officer", "admin"];

export const isRole = (value: unknown): value is Role => roles.some((role) => role === value);

export function may(principal: Principal, right: Right): boolean {
  return rights[right].some((role) => principal.roles.has(role));
}

/** Whether what belongs to `owner` (see `ownersOf`) may be read: with `read` everybody's, a trader's own otherwise. */
export function mayRead(principal: Principal, owner: string): boolean {
  if (may(principal, "read")) return true;
  return may(principal, "read_own") && principal.owner !== null && principal.owner === owner;
}

export const mayCommand = (principal: Principal): boolean => may(principal, "command");

/** Four eyes: nobody approves what they proposed, whatever they are logged in with. `proposer`: the id of a principal. */
export function mayApprove(principal: Principal, proposer: string): boolean {
  return may(principal, "approve") && principal.id !== proposer;
}
