import WebSocket from "ws";
import { StreamClient } from "#libs/client/index.ts";
import { wait } from "#libs/process/backoff.ts";
import type { Check } from "./ending.ts";

export interface Served {
  readonly apiUrl: string;
  /** With the path. */
  readonly streamUrl: string;
  /** By role. */
  readonly tokens: ReadonlyMap<string, string>;
  /** An account of the trader. */
  readonly account: string;
}

type Loose = Readonly<Record<string, unknown>>;

const requestMs = 10_000;
const pollMs = 100;
const sameWithinMs = 15_000;

class Api {
  readonly #of: Served;

  constructor(of: Served) {
    this.#of = of;
  }

  async ask(
    role: string,
    path: string,
    body?: Loose,
    key?: string,
  ): Promise<{ readonly status: number; readonly body: Loose }> {
    const answer = await fetch(`${this.#of.apiUrl}${path}`, {
      ...(body === undefined ? {} : { method: "POST", body: JSON.stringify(body) }),
      headers: {
        authorization: `Bearer ${this.#of.tokens.get(role) ?? ""}`,
        ...(body === undefined ? {} : { "content-type": "application/json" }),
        ...(key === undefined ? {} : { "idempotency-key": key }),
      },
      signal: AbortSignal.timeout(requestMs),
    });
    const type = answer.headers.get("content-type") ?? "";
    return { status: answer.status, body: type.includes("json") ? ((await answer.json()) as Loose) : {} };
  }
}

/** What people would do first: everybody gets in, an account is halted and released by two people, and a trader watches it. */
export async function tour(of: Served): Promise<Check[]> {
  const api = new Api(of);
  return [
    await held("API lets everybody in", () => letsIn(api, of)),
    await held("halt by one, release by two", () => haltAndRelease(api, of.account)),
    await held("stream = API", () => streamed(api, of)),
    await held("audit", () => audited(api)),
  ];
}

/** `look` gives what is to be said, and throws what is wrong. */
async function held(what: string, look: () => Promise<string>): Promise<Check> {
  try {
    return { what, ok: true, detail: await look() };
  } catch (error) {
    return { what, ok: false, detail: error instanceof Error ? error.message : String(error) };
  }
}

async function letsIn(api: Api, { tokens }: Served): Promise<string> {
  for (const role of tokens.keys()) {
    const { status } = await api.ask(role, "/v1/me");
    if (status !== 200) throw new Error(`${role} is answered ${status}`);
  }
  for (const path of ["/docs/", "/v1/exchange", "/console/"]) {
    const { status } = await api.ask("viewer", path);
    if (status !== 200) throw new Error(`${path} is answered ${status}`);
  }
  return `${tokens.size} roles, documentation and console`;
}

async function haltAndRelease(api: Api, id: string): Promise<string> {
  const scope = { scope: "account", id, reason: "the tour at the end of a run" };
  const key = `tour-${String(Date.now())}`;
  const started = performance.now();
  const halt = await api.ask("operator", "/v1/commands/halt", { ...scope, state: "reduce_only" }, `${key}-halt`);
  const tookMs = Math.round(performance.now() - started);
  expectState(halt, "applied");
  const asked = await api.ask("operator", "/v1/commands/halt", { ...scope, state: "normal" }, `${key}-release`);
  expectState(asked, "proposed");
  const { id: command, payloadHash } = asked.body as { id: string; payloadHash: string };
  const approval = { payloadHash, reason: scope.reason };
  const own = await api.ask("operator", `/v1/commands/${command}/approve`, approval, `${key}-own`);
  if (own.status !== 403) throw new Error(`an operator's approval of their own is answered ${own.status}`);
  expectState(await api.ask("officer", `/v1/commands/${command}/approve`, approval, `${key}-approve`), "applied");
  return `in force ${tookMs} ms after it was asked for, released by an officer`;
}

function expectState({ status, body }: { readonly status: number; readonly body: Loose }, state: string): void {
  if (body["state"] !== state) throw new Error(`not ${state} but ${status} ${JSON.stringify(body).slice(0, 300)}`);
}

/** The trader's own numbers over the WebSocket are those that the API asks the engine for. */
async function streamed(api: Api, { streamUrl, tokens, account }: Served): Promise<string> {
  const token = tokens.get("trader") ?? "";
  const client = new StreamClient({
    url: streamUrl,
    login: async () => ({ token }),
    connect: (url) => new WebSocket(url),
  });
  let frames = 0;
  try {
    const followed = client.follow(`margin.${account}`, () => (frames += 1));
    client.open();
    const until = performance.now() + sameWithinMs;
    for (;;) {
      const asked = (await api.ask("trader", `/v1/accounts/${account}`)).body["account"] as Loose | undefined;
      const shown = followed.current?.data as unknown as Loose | undefined;
      const figures = ["equity", "im", "mm", "free"];
      if (asked !== undefined && shown !== undefined && figures.every((one) => asked[one] === shown[one]))
        return `equity ${String(asked["equity"])}, ${frames} frames, log #${String(followed.current?.logSeq)}`;
      if (performance.now() > until)
        throw new Error(
          `${account}: ${JSON.stringify(shown ?? null).slice(0, 200)} is not ${JSON.stringify(asked ?? null).slice(0, 200)}`,
        );
      await wait(pollMs);
    }
  } finally {
    client.close();
  }
}

async function audited(api: Api): Promise<string> {
  const { body } = await api.ask("viewer", "/v1/audit/verify");
  if (body["holds"] !== true) throw new Error(JSON.stringify(body).slice(0, 300));
  return `${String(body["seq"])} records, every hash follows`;
}
