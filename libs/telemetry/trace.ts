import { randomBytes } from "node:crypto";

/** W3C `traceparent`: version, trace id, span id, flags. One trace runs from an entry to its facts and effects. */
const pattern = /^00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$/;

const identifier = (bytes: number): string => {
  const drawn = randomBytes(bytes).toString("hex");
  return /^0+$/.test(drawn) ? identifier(bytes) : drawn;
};

export const newTrace = (): string => `00-${identifier(16)}-${identifier(8)}-01`;

/** The next span of the same trace; a new trace where there is none that can be read. */
export function childOf(trace: string | undefined): string {
  if (trace === undefined || !pattern.test(trace)) return newTrace();
  return `${trace.slice(0, 36)}${identifier(8)}${trace.slice(52)}`;
}

export const traceIdOf = (trace: string): string => trace.slice(3, 35);
