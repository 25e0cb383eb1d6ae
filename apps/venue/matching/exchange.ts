import { slotCount } from "#libs/contracts/live/shards.ts";
import type { Approval } from "#libs/contracts/log.ts";
import type { VenueReply } from "#libs/contracts/live/venue.ts";
import { amend } from "./amend.ts";
import type { Command, Outcome } from "./commands.ts";
import { carryOutEffect, unblock } from "./effects.ts";
import type { Floor } from "./floor.ts";
import { expire, useRules } from "./listing.ts";
import { cancel, cancelAll, place } from "./orders.ts";

/**
 * Rows of one attestation, which the engine compares in one go, between two orders; and bytes of them: an entry must fit into one
 * message.
 */
export const attestRowsMax = 2_000;
export const attestBytesMax = 700_000;

/** Applies a command to the floor. The entries it made are numbered; nothing of it has left the process. */
export function applyCommand(floor: Floor, command: Command): Outcome {
  floor.begin(command.t, command.trace);
  const reply = carryOut(floor, command);
  return { entries: floor.entries(), reply };
}

function carryOut(floor: Floor, command: Command): Outcome["reply"] {
  switch (command.c) {
    case "place":
      seen(floor, command.terms.account, command.approval);
      return place(floor, command.terms, command.approval);
    case "amend":
      if (command.approval !== null) seen(floor, command.account, command.approval);
      return amend(floor, command);
    case "release":
      floor.releaseApproval(command.account, command.id, command);
      return null;
    case "cancel":
      return cancel(floor, command.account, command.id);
    case "cancel_all":
      return { cancelled: cancelAll(floor, command.account, command.instrument) };
    case "effect":
      return effect(floor, command);
    case "epoch": {
      const sequence = floor.shard(command.shard);
      sequence.epoch = Math.max(sequence.epoch, command.epoch);
      return null;
    }
    case "facts":
      facts(floor, command);
      return null;
    case "rules":
      useRules(floor, command.version, command.document);
      return null;
    case "attest":
      return { to: attest(floor, command) };
    default:
      throw new Error(`the journal holds a command that this venue does not know: ${JSON.stringify(command)}`);
  }
}

/** An approval's epoch counts like that of a command: no older leader is listened to any longer. */
function seen(floor: Floor, account: string, approval: Approval): void {
  const sequence = floor.shard(floor.owners.shardOf(account));
  sequence.epoch = Math.max(sequence.epoch, approval.epoch);
}

function effect(floor: Floor, command: Extract<Command, { c: "effect" }>): VenueReply {
  const sequence = floor.shard(command.shard);
  // An effect of a deposed leader may already have been taken back by its successor.
  if (command.epoch < sequence.epoch) return { effect: command.effect.id, state: "stale_epoch", seq: null };
  sequence.epoch = command.epoch;
  return carryOutEffect(floor, command.shard, command.effect);
}

function facts(floor: Floor, command: Extract<Command, { c: "facts" }>): void {
  const sequence = floor.shard(command.shard);
  floor.factsAt = Math.max(floor.factsAt, command.at);
  if (command.to <= sequence.facts) return;
  sequence.facts = command.to;
  for (const saga of command.ended) unblock(floor, saga);
  for (const instrument of command.expired ?? []) expire(floor, instrument);
  for (const { account, instrument, lots } of command.moved) {
    floor.positions.move(account, instrument, lots);
    floor.cancelUncovered(account, instrument);
  }
}

/**
 * What the accounts of some slots hold, by their trades here and by what the facts read so far moved elsewhere. Answers the slot it
 * stopped before, where rows were too many; a slot that alone has too many is passed over, since half of it would say that the
 * other half holds nothing.
 */
function attest(floor: Floor, { shard, from, to: wanted }: Extract<Command, { c: "attest" }>): number {
  const bySlot = new Map<number, (readonly [string, string, string])[]>();
  for (const account of floor.positions.accounts()) {
    const slot = floor.owners.slotOf(account);
    if (slot < from || slot >= wanted || floor.owners.shardOf(account) !== shard) continue;
    const rows = bySlot.get(slot) ?? [];
    bySlot.set(slot, rows);
    for (const [instrument, lots] of floor.positions.of(account))
      rows.push([account, instrument, signed(floor, instrument, lots)]);
  }
  const positions: (readonly [string, string, string])[] = [];
  let [to, bytes] = [from, 0];
  while (to < Math.min(wanted, slotCount)) {
    const rows = bySlot.get(to) ?? [];
    bytes += JSON.stringify(rows).length;
    if (positions.length + rows.length > attestRowsMax || bytes > attestBytesMax) break;
    positions.push(...rows);
    to += 1;
  }
  if (to === from) return from + 1;
  positions.sort((left, right) => (left[0] + left[1] < right[0] + right[1] ? -1 : 1));
  floor.emit(shard, { k: "attest", from, to, positions, facts: floor.shard(shard).facts });
  return to;
}

const signed = (floor: Floor, instrument: string, lots: number): string =>
  lots < 0 ? `-${floor.grid(instrument).qtyText(-lots)}` : floor.grid(instrument).qtyText(lots);
