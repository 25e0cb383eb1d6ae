/** Nothing here needs the schema library, so that a browser can have it. Path of the WebSocket. */
export const streamPath = "/v1/stream";

/** Codes of refusals; stable. Those of a login that was refused are those of `libs/access`. */
export const streamErrors = {
  bad_frame: "the frame is not a JSON object that this protocol knows",
  unknown_channel: "there is no such channel, account or instrument",
  not_authenticated: "log in first",
  already_authenticated: "this connection has logged in, as somebody else or just now",
  forbidden: "this channel is not yours to read",
  not_subscribed: "this channel is not subscribed",
  too_many_connections: "as many connections as may be are open already",
  too_many_channels: "this connection has as many channels as it may",
  rate_limited: "too many frames in a second",
  recovering: "the state is being read; try again",
} as const;
export type StreamErrorCode = keyof typeof streamErrors;

/** Codes that a connection is closed with. */
export const closeCodes = {
  /** The server stops: connect again. */
  restarting: 1012,
  /** Larger than a frame may be. */
  tooLarge: 1009,
  badFrames: 4400,
  /** No login in time, a login refused, or a login that has expired. */
  unauthorised: 4401,
  /** The reader stayed behind for too long. */
  tooSlow: 4408,
  /** Connections, or frames in a second. */
  tooMany: 4429,
} as const;
