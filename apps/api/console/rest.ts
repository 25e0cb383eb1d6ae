import type { ErrorReply } from "#libs/contracts/api/replies.ts";
import { logOut, token } from "./session.ts";

/** What the API refused, with its stable code; `code` is `unreachable` where it did not answer at all. */
export class ApiProblem extends Error {
  readonly code: string;
  readonly problems: NonNullable<ErrorReply["error"]["problems"]>;

  constructor(error: ErrorReply["error"]) {
    super(error.reason);
    this.name = "ApiProblem";
    this.code = error.code;
    this.problems = error.problems ?? [];
  }
}

/** A receipt replays the journal, which may take a while; a command has to be answered soon. */
const withinMs = { GET: 65_000, POST: 15_000 } as const;

export async function get<T>(
  path: string,
  query: Readonly<Record<string, string | number | undefined>> = {},
): Promise<T> {
  const given = Object.entries(query).filter((one): one is [string, string | number] => one[1] !== undefined);
  const text = new URLSearchParams(given.map(([name, value]) => [name, String(value)])).toString();
  return ask<T>(`${path}${text === "" ? "" : `?${text}`}`, { method: "GET" });
}

export async function post<T>(path: string, body: object): Promise<T> {
  return ask<T>(path, { method: "POST", body: JSON.stringify(body), headers: { "content-type": "application/json" } });
}

/** A command. `key`: the same one again is the same command, never a second. */
export async function command<T>(path: string, body: object, key: string): Promise<T> {
  return ask<T>(path, {
    method: "POST",
    body: JSON.stringify(body),
    headers: { "content-type": "application/json", "idempotency-key": key },
  });
}

/** What the engine has refused is answered as a command too, with 422: its facts say why. */
const isAnswer = (body: unknown): boolean => typeof body === "object" && body !== null && !("error" in body);
const commandRefused = 422;

/** Random enough to be met once; `crypto.randomUUID` is there on safe origins alone. */
export const freshId = (): string =>
  [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");

interface Asked {
  readonly method: "GET" | "POST";
  readonly body?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

async function ask<T>(path: string, asked: Asked): Promise<T> {
  const headers = { ...asked.headers, authorization: `Bearer ${token.value ?? ""}` };
  const reply = await fetch(path, { ...asked, headers, signal: AbortSignal.timeout(withinMs[asked.method]) }).catch(
    () => null,
  );
  if (reply === null) throw new ApiProblem({ code: "unreachable", reason: "the API does not answer" });
  const body = (await reply.json().catch(() => null)) as T | ErrorReply | null;
  if (reply.ok || (reply.status === commandRefused && isAnswer(body))) return body as T;
  const error = body !== null && typeof body === "object" && "error" in body ? body.error : null;
  if (reply.status === 401) logOut(`The server refused the token: ${error?.reason ?? "log in again"}.`);
  throw new ApiProblem(error ?? { code: `http_${reply.status}`, reason: `the API answered ${reply.status}` });
}

export const asProblem = (thrown: unknown): ApiProblem =>
  thrown instanceof ApiProblem ? thrown : new ApiProblem({ code: "failed", reason: String(thrown) });
