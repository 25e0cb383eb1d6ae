import type { Operation } from "#libs/contracts/api/commands.ts";
import type { View } from "../routes.ts";

/** A command as it is listed: what it does, whether it needs a second person (docs/api.md), and where it stands. */
export interface Listed {
  readonly operation: Operation;
  readonly does: string;
  readonly secondPerson: string;
  /** Where it is at hand beside its form here; a view alone: it has its own place there. */
  readonly at: readonly View[];
}

export const catalogue: readonly Listed[] = [
  {
    operation: "halt",
    does: "Sets the state of the exchange, an instrument, an account or an entity, or releases it.",
    secondPerson: "for anything looser than what an operator set",
    at: ["breakers"],
  },
  {
    operation: "saga",
    does: "Parks a liquidation at the next edge of a step, or lets it go on.",
    secondPerson: "to go on",
    at: ["liquidations"],
  },
  {
    operation: "deleverage",
    does: "Closes part of a position at its mark against the head of the other side's queue.",
    secondPerson: "yes",
    at: ["account", "instrument"],
  },
  {
    operation: "settle",
    does: "Stops an instrument for good and settles it at a price near its index.",
    secondPerson: "yes",
    at: ["instrument"],
  },
  {
    operation: "limit",
    does: "Sets or lifts a limit for a time.",
    secondPerson: "unless it tightens for certain",
    at: ["account", "instrument"],
  },
  {
    operation: "emergency",
    does: "Stricter margins or thresholds for a time.",
    secondPerson: "no",
    at: ["rules"],
  },
  {
    operation: "fund",
    does: "Tops up or draws down the insurance fund or the house.",
    secondPerson: "yes",
    at: ["overview"],
  },
  {
    operation: "adjust",
    does: "Books cash that an account has brought or taken.",
    secondPerson: "yes",
    at: ["account"],
  },
  { operation: "transfer", does: "Moves cash between two accounts.", secondPerson: "yes", at: ["account"] },
  { operation: "entity", does: "Makes accounts one owner's.", secondPerson: "yes", at: ["account"] },
  {
    operation: "rules",
    does: "Changes the rules, or puts whole new ones into force.",
    secondPerson: "yes",
    at: ["rules"],
  },
  { operation: "rollback", does: "Brings an earlier version of the rules back.", secondPerson: "yes", at: ["rules"] },
];
