import { limits } from "./limits.ts";
import type { Topic } from "./topic.ts";

/** The part of a WebSocket that is needed to write to it. */
export interface Socket {
  /** Bytes that are not with the operating system yet. */
  readonly bufferedAmount: number;
  send(frame: Buffer, options: { readonly binary: false }): void;
  ping(): void;
  pong(data: Uint8Array): void;
  close(code: number, reason: string): void;
}

/**
 * What goes to one reader. While more than it reads is on its way, it is told nothing; of what it has missed it gets the latest state
 * afterwards. So nobody waits for it, and no more than a bound is kept for it.
 */
export class Outgoing {
  readonly #socket: Socket;
  readonly #snapshot: (topic: Topic) => Buffer;
  /** Those of which it has missed something. */
  readonly #missed = new Set<Topic>();
  #behindSince: number | null = null;
  /** More than it may keep waiting has been written to it since it was last seen to keep up. */
  #pressed = false;
  #ended = false;

  constructor(socket: Socket, snapshot: (topic: Topic) => Buffer) {
    this.#socket = socket;
    this.#snapshot = snapshot;
  }

  /** A frame of a channel. */
  send(topic: Topic, frame: Buffer): void {
    if (this.#ended) return;
    if (this.#missed.has(topic)) return;
    if (this.#full()) this.#missed.add(topic);
    else this.#write(frame);
  }

  /** The latest state of a channel; where there is no room, it comes as after anything missed. */
  latest(topic: Topic): void {
    if (this.#ended) return;
    if (this.#full()) this.#missed.add(topic);
    else {
      this.#missed.delete(topic);
      this.#write(this.#snapshot(topic));
    }
  }

  /** An answer, which nothing can stand for: a client that does not read its answers either is soon behind for too long. */
  say(frame: Buffer): void {
    if (this.#ended) return;
    this.#write(frame);
    this.#pressed ||= this.#full();
  }

  forget(topic: Topic): void {
    this.#missed.delete(topic);
  }

  /** Sends what was missed as far as there is room; gives for how long (ms) it has been behind. */
  catchUp(now: number): number {
    // Nearly all keep up, and are asked every second.
    if (this.#missed.size === 0 && !this.#pressed) return 0;
    for (const topic of this.#missed) {
      if (this.#ended || this.#full()) break;
      this.#missed.delete(topic);
      this.#write(this.#snapshot(topic));
    }
    this.#pressed = this.#missed.size > 0 || this.#full();
    if (this.#pressed) this.#behindSince ??= now;
    else this.#behindSince = null;
    return this.#behindSince === null ? 0 : now - this.#behindSince;
  }

  /** An answer to a ping of the protocol below. One who does not read gets none: it has its heartbeats to read first. */
  pong(data: Uint8Array): void {
    if (!this.#ended && !this.#full()) this.#socket.pong(data);
  }

  end(): void {
    this.#ended = true;
    this.#missed.clear();
  }

  #full(): boolean {
    return this.#socket.bufferedAmount > limits.bufferedBytes;
  }

  #write(frame: Buffer): void {
    this.#socket.send(frame, { binary: false });
  }
}
