import { JSONCodec, type NatsConnection } from "nats";
import { amount, units } from "./decimal.ts";
import type { Body, Entry, Sequence } from "./sequence.ts";

/** What risk may command; see docs/integration.md. */
export type Effect =
  | { id: string; effect: "block"; saga: string; account: string; instrument: string | null }
  | ({ id: string; effect: "close"; saga: string; account: string; instrument: string } & Closing)
  | { id: string; effect: "cancel"; saga: string; of: string }
  | { id: string; effect: "withdraw"; account: string; instrument: string; order: string; reason: string }
  | ({ id: string; effect: "cancel_all" } & Scope);
/** What is to be emptied: everything, an instrument, an account, or the accounts of an entity. */
export interface Scope {
  readonly scope: "global" | "instrument" | "account" | "entity";
  readonly of: string | null;
  readonly accounts: readonly string[] | null;
}
export interface Closing {
  readonly side: "buy" | "sell";
  readonly qty: string;
  readonly limit: string | null;
  readonly depthShare: string | null;
  readonly whenDeep: boolean;
  readonly backing: { readonly reference: string; readonly budget: string } | null;
}
export type Close = Extract<Effect, { effect: "close" }>;

/** Carries out an effect and writes its entries, the outcome (`blocked`, `closed`, `withdrawn`, `cancelled`) last. */
export type CarryOut = (effect: Exclude<Effect, { effect: "cancel" }>) => Promise<void> | void;

/** Whether an order belongs to a scope. */
export function isOf({ scope, of, accounts }: Scope, order: { account: string; instrument: string }): boolean {
  if (accounts !== null) return accounts.includes(order.account);
  return scope === "global" || (scope === "instrument" ? order.instrument : order.account) === of;
}

const codec = JSONCodec();
const ordersPerPage = 2_000;
const entriesPerResend = 500;
const outcomes = new Set(["blocked", "closed", "withdrawn", "cancelled"]);

/** The outcome of an effect, if it has one: an effect that is told again is answered by what was written. */
const outcomeOf = (sequence: Sequence, effect: string): Entry | undefined =>
  sequence.entries.find((entry) => outcomes.has(entry.k) && entry["effect"] === effect);

/** Answers the risk backend for one shard: handshake, entries again, commands, status. */
export function serveRisk(
  nats: NatsConnection,
  sequence: Sequence,
  epochs: Map<string, number>,
  carryOut: CarryOut,
): { stop(): void } {
  const { shard } = sequence;
  for (const note of sequence.notes) {
    const { epoch = 0 } = note as { epoch?: number };
    epochs.set(shard, Math.max(epochs.get(shard) ?? 0, epoch));
  }
  /** Effects that are being carried out. */
  const working = new Set<string>();

  const handshake = ({ epoch, from = 0 }: { epoch: number; from?: number }): unknown => {
    const seen = Math.max(epochs.get(shard) ?? 0, epoch);
    // Remembered before it is answered: after a crash no older leader is listened to either.
    if (seen > (epochs.get(shard) ?? 0)) sequence.write([], { epoch: seen });
    epochs.set(shard, seen);
    const orders = [...openOrders(sequence.entries).values()];
    const page = orders.slice(from, from + ordersPerPage);
    const next = from + page.length < orders.length ? from + page.length : null;
    return { shard, epoch: seen, lastSeq: sequence.lastSeq, openOrders: page, next };
  };

  const command = ({ epoch, effect }: { epoch: number; effect: Effect }): unknown => {
    const seq = outcomeOf(sequence, effect.effect === "cancel" ? effect.of : effect.id)?.sourceSeq ?? null;
    if (epoch < (epochs.get(shard) ?? 0)) return { effect: effect.id, state: "stale_epoch", seq: null };
    // A close is immediate or cancel: none still works when it has been answered.
    if (effect.effect === "cancel" || seq !== null) return { effect: effect.id, state: "done", seq };
    if (!working.has(effect.id)) {
      working.add(effect.id);
      // One that fails has no outcome: it is told again.
      void Promise.resolve(carryOut(effect))
        .catch(() => {})
        .finally(() => working.delete(effect.id));
    }
    const outcome = outcomeOf(sequence, effect.id);
    if (outcome === undefined) return { effect: effect.id, state: "working", seq: null };
    return { effect: effect.id, state: "done", seq: outcome.sourceSeq };
  };

  const resend = ({ from, to }: { from: number; to: number }): unknown => {
    const last = Math.min(to, from + entriesPerResend - 1);
    return { shard, entries: sequence.entries.slice(from - 1, last), lastSeq: sequence.lastSeq };
  };

  const status = (): unknown => {
    const { lastSeq } = sequence;
    const place = { lastSeq, t: sequence.entries.at(-1)?.t ?? 0, acked: lastSeq };
    const { size } = openOrders(sequence.entries);
    return { shards: { [shard]: place }, trades: 0, openOrders: size, rejected: {} };
  };

  const answer = (verb: string, handle: (asked: never) => unknown) =>
    nats.subscribe(`venue.risk.${verb}`, {
      callback: (_, message) => {
        const asked = message.data.length === 0 ? {} : codec.decode(message.data);
        message.respond(codec.encode(handle(asked as never)));
      },
    });
  const answers = [
    answer("handshake", handshake),
    answer("command", command),
    answer("resend", resend),
    answer("status", status),
  ];
  return { stop: () => answers.forEach((one) => one.unsubscribe()) };
}

/** The better limit for the account: a closing order that spends nothing of a fund keeps to the price that the fund backs. */
export function worstPrice({ side, limit, backing }: Closing): string | null {
  if (limit === null || backing === null) return limit ?? backing?.reference ?? null;
  const { reference } = backing;
  return (side === "buy" ? units(reference) < units(limit) : units(reference) > units(limit)) ? reference : limit;
}

export interface OpenOrder {
  readonly account: string;
  readonly id: string;
  readonly instrument: string;
  readonly side: "buy" | "sell";
  readonly qty: string;
  readonly price: string | null;
  readonly reduceOnly: boolean;
}

/** What rests after some entries, by account and id: exactly what the risk backend makes of them. */
export function openOrders(entries: readonly Body[]): Map<string, OpenOrder> {
  const open = new Map<string, OpenOrder>();
  for (const entry of entries) {
    const { account, id, order, qty } = entry as unknown as Record<"account" | "id" | "order" | "qty", string>;
    const key = `${account} ${entry.k === "fill" ? order : id}`;
    if (entry.k === "cancel") open.delete(key);
    if (entry.k === "order") {
      const { instrument, side, price, reduceOnly } = entry as unknown as Partial<OpenOrder>;
      // Amended with an approval it goes behind the others; without one it has only become less.
      if (entry["approval"] !== undefined) open.delete(key);
      const rest = { side: side ?? "buy", qty, price: price ?? null, reduceOnly: reduceOnly ?? false };
      open.set(key, { account, id, instrument: instrument ?? "", ...rest });
    }
    const rests = open.get(key);
    if (entry.k !== "fill" || rests === undefined) continue;
    const left = units(rests.qty) - units(qty);
    if (left > 0n) open.set(key, { ...rests, qty: amount(left) });
    else open.delete(key);
  }
  return open;
}
