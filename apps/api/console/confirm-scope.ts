import type { Halt } from "#libs/contracts/stream/market.ts";

/** What has to be typed so that a scope is not halted or released by mistake. */
export const typedScope = ({ scope, id }: Pick<Halt, "scope" | "id">): string =>
  scope === "global" ? "EXCHANGE" : (id ?? "");

export const isTyped = (typed: string, scope: Pick<Halt, "scope" | "id">): boolean =>
  typedScope(scope) !== "" && typed.trim() === typedScope(scope);
