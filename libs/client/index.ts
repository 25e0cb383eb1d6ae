/** A client of `/v1/stream` for Node and browsers: it logs in, follows channels, comes back by itself. */
export { StreamClient } from "./client.ts";
export type { ClientLimits } from "./limits.ts";
export type { LoginBy, Schedule, StreamClientOptions, StreamCounts, StreamState, WebSocketLike } from "./options.ts";
export { StreamRefused } from "./refused.ts";
export type { ChannelHandle, ChannelUpdate } from "./followed.ts";
