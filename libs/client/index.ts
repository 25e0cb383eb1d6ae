/** A client of `/v1/stream` for Node and browsers: it logs in, follows channels, comes back by itself. */
export {
  type LoginBy,
  StreamClient,
  type StreamClientOptions,
  type StreamState,
  type WebSocketLike,
} from "./client.ts";
export { StreamRefused } from "./refused.ts";
export type { ChannelHandle, ChannelUpdate } from "./followed.ts";
