import { expect } from "vitest";
import { WebSocket } from "ws";
import { type ChannelHandle, type ChannelUpdate, StreamClient, type StreamClientOptions } from "#libs/client/index.ts";
import type { ChannelData } from "#libs/contracts/stream/data.ts";

const withinMs = 30_000;

/** A client of the library whose updates can be waited for. */
export class StreamFollower {
  readonly client: StreamClient;
  readonly errors: unknown[] = [];
  readonly refused: string[] = [];
  #waiting: (() => void)[] = [];

  constructor(url: string, token: () => Promise<string>, options: Partial<StreamClientOptions> = {}) {
    this.client = new StreamClient({
      url,
      login: async () => ({ token: await token() }),
      connect: (to) => new WebSocket(to),
      onState: () => this.#wake(),
      onError: (error) => this.errors.push(error),
      onRefused: ({ code, ch }) => {
        this.refused.push(ch === null ? code : `${code} ${ch}`);
        this.#wake();
      },
      ...options,
      limits: { retryFirstMs: 20, retryMostMs: 200, ...options.limits },
    });
    this.client.open();
  }

  follow<K extends keyof ChannelData>(ch: K | `${K}.${string}`): ChannelHandle<ChannelData[K]> {
    return this.client.follow<K>(ch, () => this.#wake());
  }

  /** Looks again whenever something has changed. */
  async until(fits: () => boolean): Promise<void> {
    const late = setTimeout(() => this.#wake(), withinMs);
    const end = performance.now() + withinMs;
    try {
      while (!fits()) {
        if (performance.now() > end) throw new Error(`${fits.toString()} did not come`);
        await new Promise<void>((resolve) => this.#waiting.push(resolve));
      }
    } finally {
      clearTimeout(late);
    }
  }

  /** The channel as it is at a place of its log or later. */
  async at<D>(handle: ChannelHandle<D>, logSeq: number): Promise<ChannelUpdate<D>> {
    await this.until(() => handle.live && (handle.current?.logSeq ?? -1) >= logSeq);
    return handle.current as ChannelUpdate<D>;
  }

  /** While its source is away: two more frames of one place in the log, each with prices older than the one before. */
  async growsOld(handle: ChannelHandle): Promise<void> {
    let ages: number[] = [];
    let last: ChannelUpdate | null = null;
    await this.until(() => {
      const { current } = handle;
      if (current === null || current === last) return false;
      if (last?.logSeq !== current.logSeq) ages = [];
      last = current;
      ages.push(current.markAgeMs ?? Number.NaN);
      return ages.length > 2;
    });
    expect(ages).toEqual([...new Set(ages)].sort((left, right) => left - right));
  }

  #wake(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const one of waiting) one();
  }
}
