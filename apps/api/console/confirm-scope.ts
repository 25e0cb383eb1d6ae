import type { Halt } from "#libs/contracts/stream/market.ts";

/** What has to be typed so that a scope is not halted or released by mistake. */
export const typedScope = ({ scope, id }: Pick<Halt, "scope" | "id">): string =>
  scope === "global" ? "EXCHANGE" : (id ?? "");

/** Whether it stands there, to the letter; what is empty is never typed. */
export const isTyped = (typed: string, expected: string): boolean => expected !== "" && typed.trim() === expected;
