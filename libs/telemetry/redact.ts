/** Field names whose values never reach a log, at any depth that the logger looks into. */
const secretName =
  /^(.*[_-])?(password|passwd|secret|token|authorization|cookie|api[_-]?key|private[_-]?key|credentials?)$/i;
const camelSecret = /(Password|Secret|Token|ApiKey|PrivateKey|Credentials?)$/;
const depthMax = 6;
const itemsMax = 200;
const mask = "***";

/** `nats://user:password@host` becomes `nats://user:***@host`, wherever it stands in a text. */
export function redactText(text: string): string {
  return text.includes("://") ? text.replace(/(\w:\/\/[^\s:@/]*):[^\s@]*@/g, `$1:${mask}@`) : text;
}

const isSecret = (name: string): boolean => secretName.test(name) || camelSecret.test(name);

/** A copy in which secrets are masked, and which is not larger than a log line should be. Errors become message and stack. */
export function redact(value: unknown, depth = 0): unknown {
  if (typeof value === "string") return redactText(value);
  if (typeof value === "bigint") return value.toString();
  if (typeof value !== "object" || value === null) return value;
  if (depth >= depthMax) return "…";
  if (value instanceof Error) return redactError(value, depth);
  if (value instanceof Uint8Array) return `${value.length} bytes`;
  if (Array.isArray(value)) return value.slice(0, itemsMax).map((item) => redact(item, depth + 1));
  const entries = Object.entries(value).slice(0, itemsMax);
  return Object.fromEntries(entries.map(([name, item]) => [name, isSecret(name) ? mask : redact(item, depth + 1)]));
}

function redactError(error: Error, depth: number): unknown {
  const { code } = error as { code?: unknown };
  return {
    type: error.name,
    message: redactText(error.message),
    stack: redactText(error.stack ?? ""),
    ...(code === undefined ? {} : { code: redact(code, depth + 1) }),
    ...(error.cause === undefined ? {} : { cause: redact(error.cause, depth + 1) }),
  };
}
