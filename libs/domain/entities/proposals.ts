import type { Rational } from "#libs/decimal/index.ts";
import type { EntityDocument } from "#libs/domain/rule-set/limit-documents.ts";
import {
  byText,
  detectionDefaults,
  detectionLimits,
  type EvidenceRecord,
  type Reason,
  type SeenFill,
} from "./evidence.ts";
import { pairByTrading } from "./opposite-trading.ts";
import { type Pair, Pairs, scoreOf } from "./pairs.ts";
import { pairByValues } from "./shared-values.ts";

/** Two accounts of a proposal, with their score and what it is made of. */
export interface Link {
  readonly accounts: readonly [string, string];
  readonly score: Rational;
  readonly reasons: readonly Reason[];
}

/** Accounts that may be one owner's, for an operator to judge. */
export interface Proposal {
  /** By id; the first names the proposal, since no account is in two. */
  readonly accounts: readonly string[];
  /** Of the weakest link that holds them together. */
  readonly score: Rational;
  /** Entities that some of them are in already; two or more contradict each other. */
  readonly entities: readonly string[];
  /** The strongest first. */
  readonly links: readonly Link[];
}

export interface Detection {
  readonly proposals: readonly Proposal[];
  /** Pairs and proposals for which there was no room. */
  readonly dropped: number;
}

/**
 * LIM-41 to LIM-43: proposals from evidence and fills, the strongest first. `entityOf`: whom the rules put accounts together with already;
 * what is wholly one entity is no news. Pure: the same records in any order give the same answer.
 */
export function detectEntities(
  records: readonly EvidenceRecord[],
  fills: readonly SeenFill[],
  entityOf: ReadonlyMap<string, string> = new Map(),
  rules = detectionDefaults,
): Detection {
  const pairs = new Pairs();
  pairByValues(records, rules, pairs);
  pairByTrading(fills, rules, pairs);
  const links = strongLinks(pairs.list(), rules.threshold);
  const found = groupsOf(links)
    .map((group) => proposalOf(group, entityOf))
    .filter(({ accounts, entities }) => entities.length !== 1 || accounts.some((account) => !entityOf.has(account)))
    .sort((left, right) => right.score.compare(left.score) || byText(firstOf(left), firstOf(right)));
  const proposals = found.slice(0, detectionLimits.proposals);
  return { proposals, dropped: pairs.dropped + found.length - proposals.length };
}

/** Account → the entity that the rules put it in. */
export function entityOfAccounts(
  entities: Readonly<Record<string, Pick<EntityDocument, "accounts">>> = {},
): ReadonlyMap<string, string> {
  return new Map(
    Object.entries(entities).flatMap(([id, { accounts }]) => accounts.map((account) => [account, id] as const)),
  );
}

const firstOf = ({ accounts }: Proposal): string => accounts[0] ?? "";
const nameOf = ({ accounts }: Link): string => accounts.join(" ");

function strongLinks(pairs: Iterable<Pair>, threshold: Rational): Link[] {
  const links: Link[] = [];
  for (const { accounts, reasons } of pairs) {
    const score = scoreOf(reasons);
    if (score.atLeast(threshold)) links.push({ accounts, score, reasons });
  }
  return links.sort((left, right) => right.score.compare(left.score) || byText(nameOf(left), nameOf(right)));
}

interface Group {
  readonly accounts: readonly string[];
  readonly links: readonly Link[];
  /** Of the last link that joined two parts of it, which is the weakest that it needs. */
  readonly score: Rational;
}

/** LIM-43: accounts that strong links lead to, the strongest first; a link that would make a group too large joins nothing. */
function groupsOf(links: readonly Link[]): Group[] {
  const groupOf = new Map<string, Group>();
  for (const link of links) {
    const [one, other] = link.accounts;
    const [left, right] = [groupOf.get(one), groupOf.get(other)];
    if (left !== undefined && left === right) {
      assign(groupOf, { ...left, links: [...left.links, link] });
      continue;
    }
    const accounts = [...(left?.accounts ?? [one]), ...(right?.accounts ?? [other])];
    if (accounts.length > detectionLimits.accountsPerProposal) continue;
    const all = [...(left?.links ?? []), ...(right?.links ?? []), link];
    assign(groupOf, { accounts, links: all, score: link.score });
  }
  return [...new Set(groupOf.values())];
}

function assign(groupOf: Map<string, Group>, group: Group): void {
  for (const account of group.accounts) groupOf.set(account, group);
}

function proposalOf({ accounts, links, score }: Group, entityOf: ReadonlyMap<string, string>): Proposal {
  const known = accounts.flatMap((account) => entityOf.get(account) ?? []);
  return {
    accounts: accounts.toSorted(byText),
    score,
    entities: [...new Set(known)].sort(byText),
    links: links
      .toSorted((left, right) => right.score.compare(left.score) || byText(nameOf(left), nameOf(right)))
      .slice(0, detectionLimits.linksPerProposal),
  };
}

const scoreDecimals = 4;

/** A proposal as it is told to people and programs: scores, weights and shares as decimal strings, rounded down. */
export const toldProposal = ({ accounts, score, entities, links }: Proposal) => ({
  accounts,
  score: score.toStringDown(scoreDecimals),
  entities,
  links: links.map((link) => ({
    accounts: link.accounts,
    score: link.score.toStringDown(scoreDecimals),
    evidence: link.reasons.map((reason) => {
      const weight = reason.weight.toStringDown(scoreDecimals);
      if (reason.kind !== "opposite_trading") return { ...reason, weight };
      return { ...reason, share: reason.share.toStringDown(scoreDecimals), weight };
    }),
  })),
});
