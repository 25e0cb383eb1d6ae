import { WebSocket } from "ws";
import { channelKinds, parseChannel } from "#libs/contracts/stream/channels.ts";
import type { ChannelData } from "#libs/contracts/stream/data.ts";
import type { DataFrame } from "#libs/contracts/stream/protocol.ts";
import { applyDelta, type State } from "#libs/contracts/stream/state.ts";

export type Frame = Readonly<Record<string, unknown>>;

const withinMs = 20_000;

/** A WebSocket that says what it is told to and keeps everything it hears: what a client library would hide is seen. */
export class RawStream {
  readonly frames: Frame[] = [];
  readonly socket: WebSocket;
  readonly closed: Promise<number>;
  #ids = 0;
  #waiting: (() => void)[] = [];

  private constructor(url: string) {
    this.socket = new WebSocket(url);
    this.closed = new Promise((resolve) => {
      this.socket.on("close", (code) => {
        resolve(code);
        this.#wake();
      });
    });
    this.socket.on("error", () => {});
    this.socket.on("message", (data) => {
      this.frames.push(JSON.parse((data as Buffer).toString("utf8")) as Frame);
      this.#wake();
    });
  }

  /** Resolves with the hello. */
  static async open(url: string): Promise<RawStream> {
    const stream = new RawStream(url);
    await stream.until((frame) => frame["op"] === "hello");
    return stream;
  }

  static async loggedIn(url: string, token: string): Promise<RawStream> {
    const stream = await RawStream.open(url);
    const answer = await stream.ask({ op: "auth", token });
    if (answer["ok"] !== true) throw new Error(`the login was refused: ${JSON.stringify(answer)}`);
    return stream;
  }

  say(frame: object): void {
    this.socket.send(JSON.stringify(frame));
  }

  /** The answer to a request. */
  async ask(request: object): Promise<Frame> {
    this.#ids += 1;
    const id = `q${this.#ids}`;
    this.say({ id, ...request });
    return this.until((frame) => frame["id"] === id);
  }

  /** The code of the refusal; "ok" where there is none. */
  async verdict(request: object): Promise<string> {
    const answer = await this.ask(request);
    return answer["ok"] === true ? "ok" : ((answer["error"] as { code: string }).code ?? "no code");
  }

  /** The first frame from `from` on that fits, of those that came and those to come. */
  async until(fits: (frame: Frame) => boolean, from = 0): Promise<Frame> {
    const late = setTimeout(() => this.#wake(), withinMs);
    const until = performance.now() + withinMs;
    try {
      for (let at = from; ;) {
        for (; at < this.frames.length; at += 1) {
          const frame = this.frames[at] as Frame;
          if (fits(frame)) return frame;
        }
        if (this.socket.readyState === WebSocket.CLOSED || performance.now() > until)
          throw new Error(`no such frame came; the last were ${JSON.stringify(this.frames.slice(-5)).slice(0, 2_000)}`);
        await new Promise<void>((resolve) => this.#waiting.push(resolve));
      }
    } finally {
      clearTimeout(late);
    }
  }

  /** Frames of a channel, in order. */
  of(ch: string): DataFrame<State>[] {
    return this.frames.filter((frame) => frame["ch"] === ch) as unknown as DataFrame<State>[];
  }

  /** The state of a channel after every frame that came; throws where its sequence has a gap. */
  state<K extends keyof ChannelData>(
    ch: K | `${K}.${string}`,
  ): { readonly data: ChannelData[K]; readonly seq: number; readonly logSeq: number | null } {
    const channel = parseChannel(ch);
    if (channel === null) throw new Error(`there is no channel ${ch}`);
    let [data, seq, logSeq]: [State, number, number | null] = [{}, 0, null];
    for (const frame of this.of(ch)) {
      if (frame.type === "delta" && frame.prevSeq !== seq) throw new Error(`${ch} jumps from ${seq} to ${frame.seq}`);
      data = frame.type === "snapshot" ? frame.data : applyDelta(data, frame.data, channelKinds[channel.name]);
      ({ seq, logSeq } = frame);
    }
    return { data: data as unknown as ChannelData[K], seq, logSeq };
  }

  async close(): Promise<void> {
    this.socket.close();
    await this.closed;
  }

  #wake(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const one of waiting) one();
  }
}
