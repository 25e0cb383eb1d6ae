import { Rational } from "#libs/decimal/index.ts";
import type { EntryBody } from "#libs/contracts/log.ts";
import { contractsOf } from "../amounts.ts";
import { entityOf } from "../entities.ts";
import type { Machine } from "../machine.ts";
import { notYetRead } from "../moved-elsewhere.ts";

/** Differences named in a fact; how many there are it says too. */
const differencesMax = 20;

interface Difference {
  readonly account: string;
  readonly instrument: string;
  /** Signed contracts, as each side has them. */
  readonly venue: string;
  readonly engine: string;
}

/**
 * INV-11: compares what the matching engine holds for the accounts of some slots with the book, both at one place of its
 * sequence; what changed hands here and the matching engine has not read of yet is taken into account. A difference changes
 * nothing by itself: it is a fact, and whoever watches raises the alarm.
 */
export function applyAttest(machine: Machine, entry: Extract<EntryBody, { k: "attest" }>): void {
  const { book } = machine;
  const said = new Map<string, Map<string, string>>();
  for (const [account, instrument, qty] of entry.positions) {
    const known = said.get(account);
    if (known === undefined) said.set(account, new Map([[instrument, qty]]));
    else known.set(instrument, qty);
  }
  const differences: Difference[] = [];
  let [count, accounts] = [0, said.size];
  const unread = notYetRead(machine, entry.facts ?? machine.factSeq);
  const compare = (account: string, instrument: string, venue: string, held: Rational): void => {
    const ahead = unread.get(`${account} ${instrument}`) ?? Rational.zero;
    if (held.equals(Rational.parse(venue).plus(ahead))) return;
    count += 1;
    if (differences.length < differencesMax)
      differences.push({ account, instrument, venue, engine: held.toStringDown() });
  };
  const slots = machine.slots.all((account) => entityOf(machine, account));
  for (let account = 0; account < book.accountCount; account += 1) {
    const slot = slots[account] as number;
    if (slot < entry.from || slot >= entry.to || book.isSystem(account)) continue;
    const name = book.accountId(account);
    const theirs = said.get(name);
    let open = false;
    for (let row = book.firstRow(account); row >= 0; row = book.nextRow(row)) {
      if (book.qty(row) === 0n) continue;
      open = true;
      const rules = machine.instrument(book.rowInstrument(row));
      compare(name, rules.id, theirs?.get(rules.id) ?? "0", contractsOf(rules, book.qty(row)));
      theirs?.delete(rules.id);
    }
    if (open && theirs === undefined) accounts += 1;
  }
  // What is left was said of accounts or instruments that hold nothing here, or are of other slots.
  for (const [account, rest] of said)
    for (const [instrument, qty] of rest) compare(account, instrument, qty, heldBy(machine, account, instrument));
  const { from, to } = entry;
  if (count === 0) machine.fact("positions.attested", { from, to, accounts });
  else machine.fact("positions.differ", { from, to, accounts, count, differences });
}

function heldBy(machine: Machine, id: string, instrument: string): Rational {
  const { book } = machine;
  const account = book.findAccount(id);
  const number = book.instrumentIndex(instrument);
  const row = account < 0 || number < 0 ? -1 : book.findRow(account, number);
  return row < 0 ? Rational.zero : contractsOf(machine.instrument(number), book.qty(row));
}
