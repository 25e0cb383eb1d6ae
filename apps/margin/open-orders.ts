import type { EntryBody } from "#libs/contracts/log.ts";
import type { OpenOrder } from "#libs/contracts/live/venue.ts";
import { contractsOf } from "#libs/engine/amounts.ts";
import type { Engine } from "#libs/engine/index.ts";

/** An order that both sides do not have alike, and the entry that makes the engine's book say what the matching engine's says. */
export interface OrderDifference {
  readonly what: string;
  readonly correction: EntryBody;
}

/**
 * What the engine's open orders differ in from the matching engine's, both at one place of its sequence. An order that the engine has
 * asked back and dropped may still rest there: that is no difference.
 */
export function orderDifferences(engine: Engine, said: readonly OpenOrder[]): OrderDifference[] {
  const found: OrderDifference[] = [];
  const resting = new Map(said.map((order) => [keyOf(order.account, order.id), order]));
  for (const own of ownOrders(engine)) {
    const key = keyOf(own.account, own.id);
    const theirs = resting.get(key);
    resting.delete(key);
    if (theirs === undefined) {
      const correction = { k: "cancel", account: own.account, id: own.id } as const;
      found.push({ what: `${key}: engine ${textOf(own)}, matching engine nothing`, correction });
    } else if (textOf(theirs) !== textOf(own))
      found.push({
        what: `${key}: engine ${textOf(own)}, matching engine ${textOf(theirs)}`,
        correction: asEntry(theirs),
      });
  }
  const askedBack = withdrawn(engine);
  for (const [key, theirs] of resting)
    if (!askedBack.has(key))
      found.push({ what: `${key}: engine nothing, matching engine ${textOf(theirs)}`, correction: asEntry(theirs) });
  return found;
}

const keyOf = (account: string, id: string): string => `order ${account} ${id}`;

function* ownOrders({ machine }: Engine): Generator<OpenOrder> {
  const { book } = machine;
  for (let account = 0; account < book.accountCount; account += 1) {
    for (const { id, instrument, side, lots, price, reduceOnly } of book.orders(account)) {
      const rules = machine.instrument(instrument);
      const qty = contractsOf(rules, lots).toStringDown();
      const told = { id, instrument: rules.id, side, qty, price: price?.toStringDown() ?? null, reduceOnly };
      yield { account: book.accountId(account), ...told };
    }
  }
}

function withdrawn({ machine }: Engine): Set<string> {
  const keys = new Set<string>();
  for (const effect of machine.openEffects.values())
    if (effect.effect === "withdraw") keys.add(keyOf(effect.account, effect.order));
  return keys;
}

function textOf({ instrument, side, qty, price, reduceOnly }: OpenOrder): string {
  const at = price === null ? "market" : plain(price);
  return `${instrument} ${side} ${plain(qty)} at ${at}${reduceOnly ? " reduce-only" : ""}`;
}

/** Without zeros at the end: the same amount may be written in several ways. */
const plain = (amount: string): string => (amount.includes(".") ? amount.replace(/\.?0+$/, "") : amount);

/** Without an approval: what nobody has approved reserves margin and is withdrawn (ORD-12). */
const asEntry = ({ account, id, instrument, side, qty, price, reduceOnly }: OpenOrder): EntryBody => ({
  k: "order",
  account,
  id,
  instrument,
  side,
  qty,
  ...(price === null ? {} : { price }),
  ...(reduceOnly ? { reduceOnly } : {}),
});
