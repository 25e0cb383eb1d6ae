import { createHmac } from "node:crypto";
import type { AlertChannel } from "#libs/adapters/postgres/index.ts";
import type { Alert } from "#libs/contracts/stream/alerts.ts";
import type { Settings } from "#libs/process/settings.ts";
import { meaningOf } from "./conditions.ts";
import { limits } from "./limits.ts";

/** A channel has not taken a message; says nothing that is secret. */
export class ChannelRefused extends Error {
  /** How long the channel asks to be left alone, ms; null: it has not said. */
  readonly retryAfterMs: number | null;

  constructor(message: string, retryAfterMs: number | null = null) {
    super(message);
    this.name = "ChannelRefused";
    this.retryAfterMs = retryAfterMs;
  }
}

export interface Channel {
  readonly name: AlertChannel;
  /** Tells of alerts in one message; `id`: the same when it is told again. Throws `ChannelRefused`. */
  send(id: string, alerts: readonly Alert[]): Promise<void>;
}

/** Those that the environment names. */
export function channelsOf(settings: Settings): readonly Channel[] {
  const { telegramUrl, telegramToken, telegramChat, webhookUrl, webhookSecret } = settings;
  const found: Channel[] = [];
  if (telegramToken !== null && telegramChat !== null) found.push(telegram(telegramUrl, telegramToken, telegramChat));
  if (webhookUrl !== null && webhookSecret !== null) found.push(webhook(webhookUrl, webhookSecret));
  return found;
}

/** Telegram's Bot API, as plain text: what an account is called must not become markup. */
export function telegram(base: string, token: string, chat: string): Channel {
  const url = `${base.replace(/\/$/, "")}/bot${token}/sendMessage`;
  return {
    name: "telegram",
    async send(_, alerts) {
      const body = { chat_id: chat, text: textOf(alerts), link_preview_options: { is_disabled: true } };
      const answer = await post(url, JSON.stringify(body), {});
      if (answer.ok) return;
      const said = (await answer.json().catch(() => null)) as { parameters?: { retry_after?: unknown } } | null;
      const seconds = said?.parameters?.retry_after;
      throw new ChannelRefused(
        `Telegram answers ${answer.status}`,
        typeof seconds === "number" ? seconds * 1_000 : null,
      );
    },
  };
}

/**
 * A POST of JSON that says what `v1=hex(HMAC-SHA256(secret, "<timestamp>.<body>"))` in `x-plimsoll-signature` signs; `x-plimsoll-timestamp`
 * is in UTC ms, `x-plimsoll-delivery` the same for a copy. Any 2xx is an acknowledgement.
 */
export function webhook(url: string, secret: string): Channel {
  return {
    name: "webhook",
    async send(id, alerts) {
      const body = JSON.stringify({ id, alerts });
      const timestamp = String(Date.now());
      const signature = createHmac("sha256", secret).update(`${timestamp}.${body}`).digest("hex");
      const answer = await post(url, body, {
        "x-plimsoll-delivery": id,
        "x-plimsoll-timestamp": timestamp,
        "x-plimsoll-signature": `v1=${signature}`,
      });
      if (answer.ok) return;
      const seconds = Number(answer.headers.get("retry-after") ?? Number.NaN);
      throw new ChannelRefused(
        `the webhook answers ${answer.status}`,
        Number.isFinite(seconds) ? seconds * 1_000 : null,
      );
    },
  };
}

async function post(url: string, body: string, headers: Readonly<Record<string, string>>): Promise<Response> {
  try {
    return await fetch(url, {
      method: "POST",
      headers: { "content-type": "application/json", ...headers },
      body,
      redirect: "error",
      signal: AbortSignal.timeout(limits.channelMs),
    });
  } catch (error) {
    // The address may have a token in it: only the kind of failure is said.
    const cause = (error as { cause?: { code?: unknown } }).cause?.code;
    const why = typeof cause === "string" ? cause : error instanceof Error ? error.name : "failed";
    throw new ChannelRefused(`no answer: ${why}`);
  }
}

const signs: Readonly<Record<Alert["level"], string>> = { yellow: "🟡", orange: "🟠", red: "🔴" };

/** What belongs together stands together; a text that would be too long says how much it leaves out. */
export function textOf(alerts: readonly Alert[]): string {
  const groups = new Map<string, Alert[]>();
  for (const one of alerts) groups.set(one.group, [...(groups.get(one.group) ?? []), one]);
  const lines = [...groups].flatMap(([group, all]) => [group, ...all.map(lineOf)]);
  const shown: string[] = [];
  let length = 0;
  for (const line of lines) {
    length += line.length + 1;
    if (length > limits.textMax) return [...shown, `… and ${lines.length - shown.length} lines more`].join("\n");
    shown.push(line);
  }
  return shown.join("\n");
}

function lineOf({ level, code, title, until }: Alert): string {
  const runbook = meaningOf(code) === null ? "" : ` (docs/runbooks/${code}.md)`;
  return until === null ? `${signs[level]} ${title}${runbook}` : `✅ over: ${title}`;
}
