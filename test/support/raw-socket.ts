import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { connect, type Socket } from "node:net";

const opcodeClose = 0x88;

/** Bytes on a TCP connection: what no WebSocket library would send. */
export class RawSocket {
  readonly socket: Socket;
  readonly #ended: Promise<void>;
  readonly #path: string;
  readonly #host: string;
  #heard = Buffer.alloc(0);

  private constructor(url: string) {
    const { hostname, port, pathname, host } = new URL(url);
    [this.#path, this.#host] = [pathname, host];
    this.socket = connect(Number(port), hostname);
    this.socket.on("data", (data) => {
      this.#heard = Buffer.concat([this.#heard, data]);
      if (this.#closeCode() !== null) this.socket.destroy();
    });
    this.socket.on("error", () => {});
    this.#ended = new Promise((resolve) => this.socket.once("close", () => resolve()));
  }

  static async open(url: string): Promise<RawSocket> {
    const raw = new RawSocket(url);
    await once(raw.socket, "connect");
    return raw;
  }

  /** One that has become a WebSocket. */
  static async upgraded(url: string): Promise<RawSocket> {
    const raw = await RawSocket.open(url);
    raw.socket.write(raw.request());
    while (raw.#body() === null) await once(raw.socket, "data");
    return raw;
  }

  /** A request for an upgrade, with changes. */
  request(changes: Readonly<Record<string, string | null>> = {}, path = this.#path, method = "GET"): string {
    const headers: Readonly<Record<string, string | null>> = {
      Host: this.#host,
      Connection: "Upgrade",
      Upgrade: "websocket",
      "Sec-WebSocket-Version": "13",
      "Sec-WebSocket-Key": randomBytes(16).toString("base64"),
      ...changes,
    };
    const lines = Object.entries(headers).flatMap(([name, value]) => (value === null ? [] : [`${name}: ${value}`]));
    return [`${method} ${path} HTTP/1.1`, ...lines, "", ""].join("\r\n");
  }

  /** The status of the answer, once the other end has closed. */
  async status(): Promise<number> {
    await this.#ended;
    return Number(/^HTTP\/1\.1 (\d{3})/.exec(this.#heard.toString("latin1"))?.[1]);
  }

  /** The code that the other end closes the WebSocket with. */
  async closed(): Promise<number> {
    await this.#ended;
    return this.#closeCode() ?? Number.NaN;
  }

  #closeCode(): number | null {
    const body = this.#body() ?? Buffer.alloc(0);
    for (let at = 0; at + 4 <= body.length;) {
      const short = (body[at + 1] as number) & 0x7f;
      const [header, length] = short < 126 ? [2, short] : [4, body.readUInt16BE(at + 2)];
      if (body[at] === opcodeClose) return body.readUInt16BE(at + header);
      at += header + length;
    }
    return null;
  }

  #body(): Buffer | null {
    const at = this.#heard.indexOf("\r\n\r\n");
    return at < 0 ? null : this.#heard.subarray(at + 4);
  }
}

/** A frame of the protocol as a client would mask it (with zeros), with its first byte given. */
export function maskedFrame(first: number, body: string | Uint8Array = ""): Buffer {
  const bytes = Buffer.from(body);
  if (bytes.length > 125) throw new RangeError("a short frame has at most 125 bytes");
  return Buffer.concat([Buffer.from([first, 0x80 | bytes.length, 0, 0, 0, 0]), bytes]);
}
