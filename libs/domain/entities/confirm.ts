import type { EntityDocument } from "#libs/domain/rule-set/limit-documents.ts";
import { byText } from "./evidence.ts";
import type { Proposal } from "./proposals.ts";

/** The change of the rules that makes a proposal an entity, or why there is none. */
export type Confirmation =
  | { readonly ok: true; readonly set: { readonly entities: Readonly<Record<string, { accounts: string[] }>> } }
  | { readonly ok: false; readonly why: string };

/**
 * LIM-43: the accounts become those of the entity `name`, new or with those that it has. Accounts of another entity are not taken from it,
 * whose limits somebody has decided: an operator does that himself.
 */
export function confirm(
  proposal: Proposal,
  name: string,
  present: Readonly<Record<string, EntityDocument>> = {},
): Confirmation {
  const others = proposal.entities.filter((entity) => entity !== name);
  if (others.length > 0) return { ok: false, why: `some of the accounts are of ${others.join(", ")}` };
  const accounts = [...new Set([...(present[name]?.accounts ?? []), ...proposal.accounts])].sort(byText);
  return { ok: true, set: { entities: { [name]: { accounts } } } };
}
