/*
 * The protocol without a library: logs in by an API key, subscribes, and keeps a table of marks.
 *
 *   KEY=… SECRET=… node --import tsx docs/examples/streams/by-key.ts ws://127.0.0.1:8081/v1/stream
 */
import { createHmac, randomUUID } from "node:crypto";
import { WebSocket } from "ws";

const [url = ""] = process.argv.slice(2);
const { KEY: key = "", SECRET: secret = "" } = process.env;

function login(): object {
  const timestamp = Date.now();
  const nonce = randomUUID();
  const signature = createHmac("sha256", secret).update(`${timestamp}\n${nonce}\nGET /v1/stream`).digest("hex");
  return { op: "auth", id: "login", key, timestamp, nonce, signature };
}

interface Frame {
  readonly op?: string;
  readonly id?: string;
  readonly ok?: boolean;
  readonly error?: { readonly code: string };
  readonly ch?: string;
  readonly type?: "snapshot" | "delta";
  readonly seq?: number;
  readonly prevSeq?: number;
  readonly data?: { readonly marks?: Readonly<Record<string, { readonly price: string | null } | null>> };
}

const socket = new WebSocket(url);
const marks = new Map<string, string | null>();
let seq = 0;

function take({ type, seq: at = 0, prevSeq, data }: Frame): void {
  if (type === "snapshot") marks.clear();
  else if (prevSeq !== seq) return socket.send(JSON.stringify({ op: "resync", id: "again", channels: ["marks"] }));
  seq = at;
  for (const [instrument, row] of Object.entries(data?.marks ?? {})) {
    if (row === null) marks.delete(instrument);
    else marks.set(instrument, row.price);
  }
  console.log([...marks].map(([instrument, price]) => `${instrument} ${price ?? "-"}`).join("  "));
}

socket.on("message", (text: Buffer) => {
  const frame = JSON.parse(text.toString("utf8")) as Frame;
  if (frame.op === "hello") socket.send(JSON.stringify(login()));
  else if (frame.ok === false) console.log(`refused: ${frame.error?.code ?? "?"}`);
  else if (frame.id === "login") socket.send(JSON.stringify({ op: "subscribe", id: "marks", channels: ["marks"] }));
  else if (frame.ch === "marks") take(frame);
});
socket.on("close", (code) => console.log(`closed: ${code}`));
