import { randomBytes } from "node:crypto";
import { issueToken, newKeyPair, type Role } from "#libs/access/index.ts";
import { freePort } from "#libs/process/servers/index.ts";
import type { Check } from "./ending.ts";
import { tour } from "./interface-tour.ts";
import type { Program } from "./processes.ts";

/** One of the crowd. */
const trader = "trader-0001";
/** People of a run. */
const people: readonly { readonly subject: string; readonly role: Role; readonly owner?: string }[] = [
  { subject: "viewer", role: "viewer" },
  { subject: "operator", role: "operator" },
  { subject: "officer", role: "officer" },
  { subject: "trader", role: "trader", owner: trader },
  { subject: "admin", role: "admin" },
];
/** What people look at: it starts while the market runs already. */
export const interfacePrograms: readonly Program[] = [
  { name: "streams", app: "streams", ready: "ready" },
  { name: "api", app: "api", ready: "ready" },
];
const lifetimeMs = 12 * 3_600_000;
const keySecretBytes = 32;

export interface Interfaces {
  /** What the processes are told, with secrets made for this run alone. */
  readonly environment: Readonly<Record<string, string>>;
  /** Where people may look, with a token for each role. */
  readonly lines: readonly string[];
  /** Whether everybody gets in, can do what is theirs, and sees what is so. */
  tour(): Promise<Check[]>;
}

/** Ports and keys of a run's API and streams. */
export async function makeInterfaces(): Promise<Interfaces> {
  const { privateKey, jwks } = await newKeyPair();
  const [apiPort, streamPort] = [await freePort(), await freePort()];
  const url = `http://127.0.0.1:${apiPort}`;
  const streamUrl = `ws://127.0.0.1:${streamPort}/v1/stream`;
  const tokens = new Map<string, string>();
  for (const { subject, role, owner } of people)
    tokens.set(role, await issueToken(privateKey, { subject, roles: [role], owner }, lifetimeMs, Date.now()));
  return {
    environment: {
      PLIMSOLL_API_PORT: String(apiPort),
      PLIMSOLL_STREAM_PORT: String(streamPort),
      PLIMSOLL_STREAMS_URL: `ws://127.0.0.1:${streamPort}`,
      PLIMSOLL_JWKS: jwks,
      PLIMSOLL_KEY_SECRET: randomBytes(keySecretBytes).toString("hex"),
    },
    lines: [
      `API      ${url}/docs/`,
      `streams  ${streamUrl}`,
      `console  ${url}/console/   each of these links logs in as the role before it:`,
      ...[...tokens].map(([role, token]) => `${role.padEnd(9)}${url}/console/#token=${token}`),
    ],
    tour: async () => tour({ apiUrl: url, streamUrl, tokens, account: trader }),
  };
}
