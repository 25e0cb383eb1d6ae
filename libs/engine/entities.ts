import type { Machine } from "./machine.ts";

/** The entity that owns an account: its own id where none is configured. */
export function entityOf(machine: Machine, account: string): string {
  return machine.entityOfAccount.get(account) ?? account;
}
