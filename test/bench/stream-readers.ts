import { WebSocket } from "ws";
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

async function open(task: ReadersTask, reader: ReadersTask["readers"][number]): Promise<void> {
  const { subject, roles, owner, channels, group, stalled } = reader;
  const token = await issueToken(task.privateKey, { subject, roles, owner }, hourMs, Date.now());
  const socket = new WebSocket(task.url, { perMessageDeflate: false, skipUTF8Validation: true });
  const list = (heard[group] ??= []);
  await new Promise<void>((resolve, reject) => {
    socket.on("error", reject);
    socket.on("message", (data: Buffer) => {
      const head = data.toString("latin1", 0, 200);
      if (measuring && head.startsWith('{"ch"'))
        list.push(Number(place.exec(head)?.[1] ?? 0), performance.timeOrigin + performance.now());
      if (head.startsWith('{"op":"hello"')) socket.send(JSON.stringify({ op: "auth", id: "a", token }));
      else if (head.startsWith('{"id":"a","ok":true'))
        socket.send(JSON.stringify({ op: "subscribe", id: "s", channels }));
      else if (head.startsWith('{"id":"s","ok":true')) {
        if (stalled) socket.pause();
        resolve();
      } else if (head.includes('"recovering"'))
        setTimeout(() => socket.send(JSON.stringify({ op: "auth", id: "a", token })), 1_000);
      else if (head.includes('"ok":false')) reject(new Error(head));
    });
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
