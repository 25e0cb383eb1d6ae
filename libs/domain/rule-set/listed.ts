import type { AssetDocument, RuleDocument } from "./documents.ts";

/**
 * Names that instruments bring with them: an inverse contract's own base is an asset with default rules even where the
 * list of assets does not say so, and what an instrument follows has a price without being collateral.
 */
function impliedAssets(document: RuleDocument): AssetDocument[] {
  const known = new Set(document.assets.map(({ id }) => id));
  const implied = new Map<string, AssetDocument>();
  for (const one of document.instruments) {
    if (one.kind === "inverse" && one.settle === one.base && !known.has(one.settle))
      implied.set(one.settle, { id: one.settle });
  }
  for (const one of document.instruments) {
    const index = one.index ?? one.base;
    if (!known.has(index) && !implied.has(index)) implied.set(index, { id: index, slices: [{ weight: "0" }] });
  }
  return [...implied.values()];
}

/** The document with every asset that its instruments imply written out, so that each index and settle asset is listed. */
export function withImpliedAssets(document: RuleDocument): RuleDocument {
  const implied = impliedAssets(document);
  return implied.length === 0 ? document : { ...document, assets: [...document.assets, ...implied] };
}
