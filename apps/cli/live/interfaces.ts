import { randomBytes } from "node:crypto";
import { issueToken, newKeyPair, type Role } from "#libs/access/index.ts";
import { freePort } from "#libs/process/servers/index.ts";
import type { Check } from "./ending.ts";
import type { Program } from "./processes.ts";

/** People of a run. The trader is one of the crowd. */
const people: readonly { readonly subject: string; readonly role: Role; readonly owner?: string }[] = [
  { subject: "viewer", role: "viewer" },
  { subject: "operator", role: "operator" },
  { subject: "officer", role: "officer" },
  { subject: "trader", role: "trader", owner: "trader-0001" },
  { subject: "admin", role: "admin" },
];
/** What people look at: it starts while the market runs already. */
export const interfacePrograms: readonly Program[] = [
  { name: "streams", app: "streams", ready: "ready" },
  { name: "api", app: "api", ready: "ready" },
];
const lifetimeMs = 12 * 3_600_000;
const keySecretBytes = 32;
const withinMs = 3_000;

export interface Interfaces {
  /** What the processes are told, with secrets made for this run alone. */
  readonly environment: Readonly<Record<string, string>>;
  /** Where people may look, with a token for each role. */
  readonly lines: readonly string[];
  /** Whether everybody gets in, and the record of what they did holds. */
  check(): Promise<Check>;
}

/** Ports and keys of a run's API and streams. */
export async function makeInterfaces(): Promise<Interfaces> {
  const { privateKey, jwks } = await newKeyPair();
  const [apiPort, streamPort] = [await freePort(), await freePort()];
  const url = `http://127.0.0.1:${apiPort}`;
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
      `console  ${url}/console/   each of these links logs in as the role before it:`,
      ...[...tokens].map(([role, token]) => `${role.padEnd(9)}${url}/console/#token=${token}`),
    ],
    check: async () => checkInterfaces(url, tokens),
  };
}

async function checkInterfaces(url: string, tokens: ReadonlyMap<string, string>): Promise<Check> {
  const what = "API and its audit";
  const get = async (path: string, role = "viewer"): Promise<Response> =>
    fetch(`${url}${path}`, {
      headers: { authorization: `Bearer ${tokens.get(role) ?? ""}` },
      signal: AbortSignal.timeout(withinMs),
    });
  try {
    const wrong: string[] = [];
    for (const role of tokens.keys()) if (!(await get("/v1/me", role)).ok) wrong.push(role);
    for (const path of ["/docs/", "/v1/exchange"]) if (!(await get(path)).ok) wrong.push(path);
    const { holds, seq } = (await (await get("/v1/audit/verify")).json()) as { holds: boolean; seq: number };
    if (!holds) wrong.push("audit");
    const detail = wrong.length === 0 ? `${tokens.size} roles, ${seq} records` : `refused: ${wrong.join(", ")}`;
    return { what, ok: wrong.length === 0, detail };
  } catch (error) {
    return { what, ok: false, detail: error instanceof Error ? error.message : String(error) };
  }
}
