import { streamPath } from "#libs/contracts/stream/codes.ts";

/** The address of the WebSocket at the address of the streams. */
export function streamsAt(given: string): string {
  const url = new URL(given);
  if (url.pathname === "/") url.pathname = streamPath;
  return url.href;
}
