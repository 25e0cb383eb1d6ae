import type { Engine } from "#libs/engine/index.ts";

/** Instruments with open positions whose mark, or whose settle asset's price, is unknown or not good. */
export function instrumentsWithoutMark({ machine }: Engine): string[] {
  const { book } = machine;
  const { market } = book;
  const found: string[] = [];
  for (let instrument = 0; instrument < book.instrumentCount; instrument += 1) {
    if (!book.isInstrumentListed(instrument) || machine.closedInstruments.has(instrument)) continue;
    if (book.longLots(instrument) === 0n && book.netLots(instrument) === 0n) continue;
    const settle = book.settleIndex(instrument);
    const known = market.markPrice(instrument) !== null && market.indexPrice(settle) !== null;
    const good = market.instrumentQuality(instrument) === "good" && market.assetQuality(settle) === "good";
    if (!known || !good) found.push(book.instrumentRules(instrument).id);
  }
  return found;
}
