import { randomBytes } from "node:crypto";
import { connect, type Socket } from "node:net";
import { issueToken, type Role } from "#libs/access/index.ts";

/** Readers of the streams, in a process of their own: told what to do and asked what they heard by their parent (`streams.ts`). */
export interface ReadersTask {
  readonly url: string;
  readonly privateKey: string;
  readonly readers: readonly {
    readonly subject: string;
    readonly roles: readonly Role[];
    readonly owner: string | null;
    readonly channels: readonly string[];
    readonly group: string;
    /** Reads nothing after its subscription. */
    readonly stalled: boolean;
  }[];
}
/** By group: pairs of a frame's position in the log and when it came, UTC ms with fractions. */
export type Heard = Readonly<Record<string, readonly number[]>>;

const atOnce = 200;
const hourMs = 3_600_000;
const place = /"logSeq":(\d+)/;

let measuring = false;
const heard: Record<string, number[]> = {};

/**
 * A client as cheap as can be, because thousands of them share a core with what is measured: it reads the heads of frames alone, from a plain
 * socket, and answers pings.
 */
class Reader {
  readonly #socket: Socket;
  readonly #hear: (head: string) => void;
  #rest: Buffer = Buffer.alloc(0);
  #upgraded = false;

  constructor(url: URL, hear: (head: string) => void, failed: (error: unknown) => void) {
    this.#hear = hear;
    this.#socket = connect(Number(url.port), url.hostname);
    const key = randomBytes(16).toString("base64");
    this.#socket.write(
      `GET ${url.pathname} HTTP/1.1\r\nHost: ${url.host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
        `Sec-WebSocket-Key: ${key}\r\nSec-WebSocket-Version: 13\r\n\r\n`,
    );
    this.#socket.on("error", failed).on("close", () => failed(new Error("closed")));
    this.#socket.on("data", (data: Buffer) => this.#take(data));
  }

  send(body: object): void {
    this.#write(Buffer.from(JSON.stringify(body)), textOpcode);
  }

  stall(): void {
    this.#socket.pause();
  }

  #write(data: Buffer, opcode: number): void {
    // Masked, as a client's frames must be, with zeros.
    const head = Buffer.alloc(data.length < 126 ? 6 : 8);
    head.writeUInt8(0x80 | opcode, 0);
    head.writeUInt8(0x80 | Math.min(data.length, 126), 1);
    if (data.length >= 126) head.writeUInt16BE(data.length, 2);
    this.#socket.write(Buffer.concat([head, data]));
  }

  #take(data: Buffer): void {
    let rest = this.#rest.length === 0 ? data : Buffer.concat([this.#rest, data]);
    if (!this.#upgraded) {
      const end = rest.indexOf("\r\n\r\n");
      if (end < 0) return void (this.#rest = rest);
      this.#upgraded = true;
      rest = rest.subarray(end + 4);
    }
    for (let frame = frameOf(rest); frame !== null; frame = frameOf(rest)) {
      const { opcode, start, end } = frame;
      if (opcode === pingOpcode) this.#write(rest.subarray(start, end), pongOpcode);
      else this.#hear(rest.toString("latin1", start, Math.min(end, start + 200)));
      rest = rest.subarray(end);
    }
    this.#rest = rest;
  }
}

const [textOpcode, pingOpcode, pongOpcode] = [1, 9, 10];

/** The first whole frame of a server, which masks nothing; null: there is none yet. */
function frameOf(bytes: Buffer): { readonly opcode: number; readonly start: number; readonly end: number } | null {
  if (bytes.length < 2) return null;
  const short = (bytes[1] as number) & 0x7f;
  const start = short === 126 ? 4 : short === 127 ? 10 : 2;
  if (bytes.length < start) return null;
  const length = short === 126 ? bytes.readUInt16BE(2) : short === 127 ? Number(bytes.readBigUInt64BE(2)) : short;
  const end = start + length;
  return bytes.length < end ? null : { opcode: (bytes[0] as number) & 0x0f, start, end };
}

async function open(task: ReadersTask, reader: ReadersTask["readers"][number]): Promise<void> {
  const { subject, roles, owner, channels, group, stalled } = reader;
  const token = await issueToken(task.privateKey, { subject, roles, owner }, hourMs, Date.now());
  const list = (heard[group] ??= []);
  await new Promise<void>((resolve, reject) => {
    const login = (): void => client.send({ op: "auth", id: "a", token });
    const hear = (head: string): void => {
      if (head.startsWith('{"ch"')) {
        if (measuring) list.push(Number(place.exec(head)?.[1] ?? 0), performance.timeOrigin + performance.now());
      } else if (head.startsWith('{"op":"hello"')) login();
      else if (head.startsWith('{"id":"a","ok":true')) client.send({ op: "subscribe", id: "s", channels });
      else if (head.startsWith('{"id":"s","ok":true')) {
        if (stalled) client.stall();
        resolve();
      } else if (head.includes('"recovering"')) setTimeout(login, 1_000);
      else if (head.includes('"ok":false')) reject(new Error(head));
    };
    const client = new Reader(new URL(task.url), hear, reject);
  });
}

process.on("message", (message: ReadersTask | "measure" | "report") => {
  if (message === "measure") {
    for (const list of Object.values(heard)) list.length = 0;
    measuring = true;
  } else if (message === "report") {
    measuring = false;
    process.send?.({ heard });
  } else void openAll(message);
});

async function openAll(task: ReadersTask): Promise<void> {
  try {
    for (let at = 0; at < task.readers.length; at += atOnce)
      await Promise.all(task.readers.slice(at, at + atOnce).map(async (one) => open(task, one)));
    process.send?.("open");
  } catch (error) {
    process.send?.({ failed: String(error) });
  }
}
