import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { type WebSocket as ServerSocket, WebSocket, WebSocketServer } from "ws";

/** Stands between a client and a streams process, and loses, changes or delays what passes. */
export class StreamRelay {
  /** What becomes of a frame of the server's; null: it is lost. */
  pass: (text: string) => string | null = (text) => text;
  /** Connections are taken, and nothing is ever said on them. */
  mute = false;
  /** Everything that clients have asked. */
  readonly asked: string[] = [];
  readonly #server: WebSocketServer;
  readonly #open = new Set<ServerSocket>();

  private constructor(server: WebSocketServer, upstream: () => string) {
    this.#server = server;
    server.on("connection", (client) => this.#connected(client, upstream()));
  }

  static async open(upstream: () => string): Promise<StreamRelay> {
    const server = new WebSocketServer({ port: 0, host: "127.0.0.1" });
    await once(server, "listening");
    return new StreamRelay(server, upstream);
  }

  get url(): string {
    return `ws://127.0.0.1:${(this.#server.address() as AddressInfo).port}/v1/stream`;
  }

  /** All connections break, without a word. */
  cut(): void {
    for (const client of this.#open) client.terminate();
  }

  close(): void {
    this.cut();
    this.#server.close();
  }

  #connected(client: ServerSocket, url: string): void {
    this.#open.add(client);
    if (this.mute) {
      client.on("close", () => this.#open.delete(client));
      return;
    }
    const server = new WebSocket(url);
    const opened = once(server, "open").catch(() => client.terminate());
    client.on("message", (data) => {
      const text = (data as Buffer).toString("utf8");
      this.asked.push(text);
      void opened.then(() => server.send(text));
    });
    server.on("message", (data) => {
      const text = this.pass((data as Buffer).toString("utf8"));
      if (text !== null) client.send(text);
    });
    server.on("error", () => client.terminate());
    server.on("close", (code) => (code >= 3_000 ? client.close(code) : client.terminate()));
    client.on("close", () => {
      this.#open.delete(client);
      server.terminate();
    });
  }
}
