import { systemAccountCount } from "./accounts.ts";
import { grownCapacity, grownUint8, WideColumn } from "./columns.ts";
import type { Reader, Writer } from "./writer.ts";

export type Session = "day" | "week";
export const sessionKinds = ["day", "week"] as const;

const none = 0;
const set = 1;
/** Its worth, or that of what was paid in or out, could not be told: it is measured again from the next session on. */
const unknown = 2;

/** Of one kind of session: when it began, how far its accounts have been gone through, and what their losses are measured from. */
class SessionTable {
  start: number | null = null;
  /** Number of the first account that is still to come. */
  next: number = systemAccountCount;
  /** Every account that was there is through; those that come later had nothing when it began. */
  complete = false;
  private states = new Uint8Array(0);
  private readonly baselines = new WideColumn(0, "baseline");

  begin(start: number): void {
    this.start = start;
    this.next = systemAccountCount;
    this.complete = false;
  }

  private reach(account: number): void {
    if (account < this.states.length) return;
    const capacity = grownCapacity(this.states.length, account + 1);
    this.states = grownUint8(this.states, capacity);
    this.baselines.grow(capacity);
  }

  /** The account's worth as the session begins; null: some price is not known. */
  open(account: number, worth: bigint | null): void {
    this.reach(account);
    this.states[account] = worth === null ? unknown : set;
    this.baselines.set(account, worth ?? 0n);
  }

  baseline(account: number): bigint | null {
    const state = this.states[account] ?? none;
    if (state === set) return this.baselines.get(account);
    return state === none && this.complete && account >= this.next ? 0n : null;
  }

  /** What was paid in (negative: out) is neither profit nor loss. */
  adjust(account: number, worth: bigint | null): void {
    if (this.start === null) return;
    const before = this.baseline(account);
    if (before !== null) this.open(account, worth === null ? null : before + worth);
  }

  canonical(writer: Writer, accounts: readonly number[], nameOf: (account: number) => string): void {
    this.head(writer);
    for (const account of accounts) {
      if ((this.states[account] ?? none) === none) continue;
      writer.text(nameOf(account));
      writer.byte(this.states[account] as number);
      writer.integer(this.baselines.get(account));
    }
    writer.text("");
  }

  private head(writer: Writer): void {
    writer.flag(this.start !== null);
    writer.float64(this.start ?? 0);
    writer.natural(this.next);
    writer.flag(this.complete);
  }

  save(writer: Writer): void {
    this.head(writer);
    writer.natural(this.states.length);
    for (let account = 0; account < this.states.length; account += 1) {
      writer.byte(this.states[account] as number);
      if (this.states[account] !== none) writer.integer(this.baselines.get(account));
    }
  }

  load(reader: Reader): void {
    const started = reader.flag();
    const start = reader.float64();
    this.start = started ? start : null;
    this.next = reader.natural();
    this.complete = reader.flag();
    const count = reader.count();
    this.states = new Uint8Array(count);
    this.baselines.grow(count);
    for (let account = 0; account < count; account += 1) {
      this.states[account] = reader.byte();
      if (this.states[account] !== none) this.baselines.set(account, reader.integer());
    }
  }
}

/** What losses of a day and of a week are measured from, in baseline quanta (1e-8 USD) by account: 34 bytes an account. */
export class Sessions {
  readonly #tables = { day: new SessionTable(), week: new SessionTable() };

  of(session: Session): SessionTable {
    return this.#tables[session];
  }

  get used(): boolean {
    return sessionKinds.some((kind) => this.#tables[kind].start !== null);
  }

  canonical(writer: Writer, accounts: readonly number[], nameOf: (account: number) => string): void {
    for (const kind of sessionKinds) this.#tables[kind].canonical(writer, accounts, nameOf);
  }

  save(writer: Writer): void {
    for (const kind of sessionKinds) this.#tables[kind].save(writer);
  }

  load(reader: Reader): void {
    for (const kind of sessionKinds) this.#tables[kind].load(reader);
  }
}
