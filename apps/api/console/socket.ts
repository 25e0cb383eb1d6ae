import type { DataFrame, ErrorBody, Hello } from "#libs/contracts/stream/protocol.ts";

export interface SocketEvents {
  readonly data: (frame: DataFrame) => void;
  readonly problem: (ch: string, problem: ErrorBody) => void;
  readonly state: (state: "connecting" | "live" | "lost") => void;
  readonly refused: (problem: ErrorBody) => void;
}

const retryMs = { first: 500, most: 10_000 } as const;

export class Socket {
  readonly #url: string;
  readonly #token: () => string | null;
  readonly #events: SocketEvents;
  readonly #wanted = new Set<string>();
  #socket: WebSocket | null = null;
  #ready = false;
  #closed = false;
  #ids = 0;
  #attempts = 0;

  constructor(url: string, token: () => string | null, events: SocketEvents) {
    this.#url = url;
    this.#token = token;
    this.#events = events;
    this.#connect();
  }

  subscribe(ch: string): void {
    this.#wanted.add(ch);
    if (this.#ready) this.#say({ op: "subscribe", id: `s.${ch}`.slice(0, 64), channels: [ch] });
  }

  unsubscribe(ch: string): void {
    if (this.#wanted.delete(ch) && this.#ready) this.#say({ op: "unsubscribe", id: this.#id(), channels: [ch] });
  }

  resync(ch: string): void {
    if (this.#ready) this.#say({ op: "resync", id: this.#id(), channels: [ch] });
  }

  close(): void {
    this.#closed = true;
    this.#socket?.close();
  }

  #connect(): void {
    const socket = new WebSocket(this.#url);
    this.#socket = socket;
    socket.addEventListener("message", ({ data }) => this.#took(JSON.parse(String(data)) as Record<string, unknown>));
    socket.addEventListener("close", () => {
      this.#ready = false;
      if (this.#closed) return;
      this.#events.state("lost");
      this.#attempts += 1;
      setTimeout(() => this.#closed || this.#connect(), Math.min(retryMs.most, retryMs.first * 2 ** this.#attempts));
    });
  }

  #took(frame: Record<string, unknown>): void {
    if (typeof frame["ch"] === "string" && "data" in frame) return this.#events.data(frame as unknown as DataFrame);
    if (frame["op"] === "hello") {
      void (frame as unknown as Hello);
      return this.#say({ op: "auth", id: "login", token: this.#token() });
    }
    if (frame["id"] === "login") {
      if (frame["ok"] !== true) return this.#events.refused(frame["error"] as ErrorBody);
      this.#ready = true;
      this.#attempts = 0;
      this.#events.state("live");
      for (const ch of this.#wanted) this.subscribe(ch);
      return;
    }
    if (frame["ok"] === false) {
      const error = frame["error"] as ErrorBody;
      this.#events.problem(error.ch ?? String(frame["id"]).slice(2), error);
    }
  }

  #say(what: object): void {
    this.#socket?.send(JSON.stringify(what));
  }

  #id(): string {
    this.#ids += 1;
    return String(this.#ids);
  }
}
