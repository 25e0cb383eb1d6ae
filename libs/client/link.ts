import type { DataFrame, ErrorBody, Hello, Login } from "#libs/contracts/stream/protocol.ts";
import type { State } from "#libs/contracts/stream/state.ts";
import type { ClientLimits } from "./limits.ts";
import type { Schedule, WebSocketLike } from "./options.ts";

/** What the server says to a request. */
export interface Answer {
  readonly id: string | null;
  readonly ok: boolean;
  readonly error?: ErrorBody;
  readonly login?: Login;
  /** UTC ms of the server. */
  readonly t?: number;
}

export interface LinkParts {
  readonly socket: WebSocketLike;
  readonly limits: ClientLimits;
  readonly schedule: Schedule;
  readonly onHello: (hello: Hello) => void;
  readonly onData: (frame: DataFrame<State>) => void;
  /** Nobody has asked: a channel was taken away, or frames came too fast. */
  readonly onUnasked: (answer: Answer) => void;
  /** Once, and nothing is heard after it. 0: without a word. */
  readonly onLost: (code: number, why: Error | null) => void;
}

/** One connection: what is asked is answered, or the connection is lost; whatever hangs is given up in time. */
export class Link {
  readonly #parts: LinkParts;
  readonly #asked = new Map<string, { readonly resolve: (answer: Answer | null) => void; readonly late: () => void }>();
  #ids = 0;
  #heartbeatMs: number | null = null;
  #silence: () => void;
  #over = false;

  constructor(parts: LinkParts) {
    this.#parts = parts;
    const { socket, limits } = parts;
    this.#silence = this.#within(limits.connectWithinMs, "the server did not say hello in time");
    socket.addEventListener("message", ({ data }) => this.#hear(data));
    socket.addEventListener("close", ({ code }) => this.#lost(code ?? 0, null));
    // A close follows.
    socket.addEventListener("error", () => {});
  }

  /** The answer; null: the connection was lost before it came. */
  async ask(request: Readonly<Record<string, unknown>>): Promise<Answer | null> {
    if (this.#over) return null;
    this.#ids += 1;
    const id = String(this.#ids);
    return new Promise((resolve) => {
      const late = this.#within(this.#parts.limits.answerWithinMs, `${String(request["op"])} was not answered in time`);
      this.#asked.set(id, { resolve, late });
      this.#parts.socket.send(JSON.stringify({ ...request, id }));
    });
  }

  /** Ends it without a word to the other parts. */
  close(code?: number): void {
    this.#end();
    this.#parts.socket.close(code);
  }

  #within(ms: number, why: string): () => void {
    return this.#parts.schedule(() => this.#lost(0, new Error(why)), ms);
  }

  #hear(data: unknown): void {
    if (this.#over) return;
    let frame: Readonly<Record<string, unknown>>;
    try {
      frame = JSON.parse(String(data)) as Readonly<Record<string, unknown>>;
    } catch (cause) {
      return this.#lost(0, new Error("the server sent what is no JSON", { cause }));
    }
    if (frame["op"] === "hello") this.#heartbeatMs = (frame as unknown as Hello).heartbeatMs;
    this.#listen();
    if (typeof frame["ch"] === "string") this.#parts.onData(frame as unknown as DataFrame<State>);
    else if (frame["op"] === "hello") this.#parts.onHello(frame as unknown as Hello);
    else if (typeof frame["ok"] === "boolean") this.#answered(frame as unknown as Answer);
  }

  /** A connection may die without a word. */
  #listen(): void {
    if (this.#heartbeatMs === null) return;
    this.#silence();
    this.#silence = this.#within(this.#heartbeatMs * this.#parts.limits.heartbeatsMissed, "the server is silent");
  }

  #answered(answer: Answer): void {
    const asked = answer.id === null ? undefined : this.#asked.get(answer.id);
    if (asked === undefined) {
      if (!answer.ok) this.#parts.onUnasked(answer);
      return;
    }
    this.#asked.delete(answer.id as string);
    asked.late();
    asked.resolve(answer);
  }

  #lost(code: number, why: Error | null): void {
    if (this.#over) return;
    this.#end();
    if (why !== null) this.#parts.socket.close();
    this.#parts.onLost(code, why);
  }

  #end(): void {
    this.#over = true;
    this.#silence();
    for (const { resolve, late } of this.#asked.values()) {
      late();
      resolve(null);
    }
    this.#asked.clear();
  }
}
