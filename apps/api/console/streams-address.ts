import { streamPath } from "#libs/contracts/stream/codes.ts";

/** The address of the WebSocket: the one that was given, else at the address of the page itself. */
export function streamsAt(given: string, page: { readonly protocol: string; readonly host: string }): string {
  const url = new URL(given === "" ? `${page.protocol === "https:" ? "wss:" : "ws:"}//${page.host}` : given);
  if (url.pathname === "/") url.pathname = streamPath;
  return url.href;
}
