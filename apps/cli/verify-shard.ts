import {
  type BalanceRow,
  Corrupt,
  type Database,
  genesisHash,
  journalPages,
  type PositionRow,
  readAccounts,
  readShard,
} from "#libs/adapters/postgres/index.ts";
import { Rational } from "#libs/decimal/index.ts";
import type { Engine } from "#libs/engine/index.ts";
import { ReplayDiffers, Replayer } from "#libs/journal/index.ts";

export interface Verified {
  readonly ok: boolean;
  readonly shard: string;
  readonly entries: number;
  readonly appliedSeq: number;
  readonly facts: number;
  readonly chainHash: string;
  readonly stateHash: string | null;
  readonly accounts: number;
  /** What does not hold, at most a hundred; empty: all is well. */
  readonly differences: readonly string[];
}

const differencesMax = 100;
const accountsPerPage = 1_000;

/** Replays a shard's journal on a fresh engine and compares everything that the tables say. Null: there is no such shard. */
export async function verifyShard(db: Database, shard: string): Promise<Verified | null> {
  const row = await readShard(db, shard);
  if (row === null) return null;
  const replayer = new Replayer();
  const differences: string[] = [];
  try {
    for await (const page of journalPages(db, shard, { afterEntry: 0, hash: genesisHash })) {
      for (const batch of page) {
        // A leader may be at work: what it commits after the first look is not looked at.
        if (batch.toSeq <= row.appliedSeq && batch.lastEntry <= row.entries) replayer.replay(batch);
      }
    }
  } catch (error) {
    if (!(error instanceof ReplayDiffers) && !(error instanceof Corrupt)) throw error;
    differences.push(error.message);
  }
  const { engine, chain, entries } = replayer;
  if (chain !== row.chainHash || entries !== row.entries)
    differences.push(`the journal ends at entry ${entries} (${chain}), the shard at ${row.entries} (${row.chainHash})`);
  const accounts = engine === null ? 0 : await compareTables(db, shard, engine, differences);
  for (const [name, held] of Object.entries(engine?.invariants() ?? {}))
    if (held !== true && held !== "not applicable") differences.push(`invariant ${name}: ${String(held)}`);
  const place = { shard, entries, appliedSeq: row.appliedSeq, facts: row.factSeq, chainHash: row.chainHash };
  const found = { accounts, stateHash: engine?.stateHash() ?? null, differences: differences.slice(0, differencesMax) };
  return { ok: differences.length === 0, ...place, ...found };
}

async function compareTables(db: Database, shard: string, engine: Engine, differences: string[]): Promise<number> {
  let after: string | null = null;
  const stored = new Set<string>();
  do {
    const page = await readAccounts(db, shard, { after, limit: accountsPerPage });
    if (page.entries !== engine.machine.appliedSeq) {
      differences.push("the shard went on while it was read: stop its leader, or try again");
      return stored.size;
    }
    for (const account of page.accounts) stored.add(account);
    for (const balance of page.balances) compareBalance(engine, balance, differences);
    for (const position of page.positions) comparePosition(engine, position, differences);
    after = page.next;
  } while (after !== null && differences.length < differencesMax);
  findUnstored(engine, stored, differences);
  return stored.size;
}

function compareBalance({ machine }: Engine, row: BalanceRow, differences: string[]): void {
  const account = machine.book.findAccount(row.account);
  const asset = machine.book.assetIndex(row.asset);
  const held = account < 0 || asset < 0 ? Rational.zero : machine.ledger.balance(account, asset);
  if (held.toStringDown() !== row.amount)
    differences.push(`balance ${row.account} ${row.asset}: replayed ${held.toStringDown()}, table ${row.amount}`);
}

function comparePosition({ machine }: Engine, row: PositionRow, differences: string[]): void {
  const { book } = machine;
  const account = book.findAccount(row.account);
  const at = account < 0 ? -1 : book.findRow(account, book.instrumentIndex(row.instrument));
  const lot = machine.instrument(book.instrumentIndex(row.instrument)).lot;
  const held = at < 0 ? Rational.zero : lot.times(Rational.ofInteger(book.qty(at)));
  if (held.toStringDown() !== row.qty)
    differences.push(`position ${row.account} ${row.instrument}: replayed ${held.toStringDown()}, table ${row.qty}`);
}

/** Accounts that hold something and are in no table. */
function findUnstored({ machine }: Engine, stored: ReadonlySet<string>, differences: string[]): void {
  const { book } = machine;
  for (let account = 0; account < book.accountCount; account += 1) {
    if (stored.has(book.accountId(account))) continue;
    for (let row = book.firstCashRow(account); row >= 0; row = book.nextCashRow(row))
      if (book.cashAmount(row) !== 0n) differences.push(`balance ${book.accountId(account)}: in no table`);
  }
}
