import type { BusNames } from "#libs/contracts/live/subjects.ts";
import type { Numbered } from "../matching/commands.ts";

/** What the venue needs of the message bus: the part of the NATS adapter that its own tests can also be run against. */
export interface VenueBus {
  readonly names: BusNames;
  publish(subject: string, body: unknown): void;
  /** Rejects with an error named `BusTimeout`, `NoResponders` or otherwise. */
  request<T>(subject: string, body: unknown, options: { readonly timeoutMs: number }): Promise<T>;
  subscribe(
    subject: string,
    handle: (message: { readonly subject: string; readonly data: Uint8Array }) => void,
  ): { stop(): void };
  respond(subject: string, handle: (data: Uint8Array) => unknown): { stop(): void };
}

/** Writes entries of the venue's own numbering into a shard's log, in the order they are given. */
export interface NumberedWriter {
  writeNumbered(entry: Numbered): { readonly stored: Promise<unknown> };
}
