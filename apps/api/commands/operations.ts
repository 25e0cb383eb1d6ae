import { type Operation, operations, type RuleOperation, ruleOperations } from "#libs/contracts/api/commands.ts";

export const isOperation = (value: string): value is Operation => operations.some((one) => one === value);
export const isRuleOperation = (value: string): value is RuleOperation => ruleOperations.some((one) => one === value);

/** A command as it was asked for. */
export interface Asking {
  readonly operation: Operation;
  readonly payload: unknown;
  readonly reason: string;
}
