import type { AuthKey, AuthToken } from "#libs/contracts/stream/protocol.ts";
import type { ClientLimits } from "./limits.ts";
import type { StreamRefused } from "./refused.ts";

/**
 * What a client logs in with, asked for at every connection and before a login ends: tokens end, and a signature is worth nothing a second
 * time. Where it rejects, it is asked again with the next connection.
 */
export type LoginBy = () => Promise<Omit<AuthToken, "op" | "id"> | Omit<AuthKey, "op" | "id">>;

/** `waiting`: it will connect again by itself. `closed`: it will not. */
export type StreamState = "connecting" | "open" | "waiting" | "closed";

/** The part of a WebSocket that a client needs: browsers and Node 22 have it, older ones have the package `ws`. */
export interface WebSocketLike {
  send(text: string): void;
  close(code?: number): void;
  addEventListener(type: "open" | "close" | "error", listener: (event: { readonly code?: number }) => void): void;
  addEventListener(type: "message", listener: (event: { readonly data: unknown }) => void): void;
}

/** Runs something after so many ms; what it gives takes that back. */
export type Schedule = (run: () => void, ms: number) => () => void;

export interface StreamClientOptions {
  /** `ws://…/v1/stream`. */
  readonly url: string;
  readonly login: LoginBy;
  /** Makes a connection; absent: by the platform's own `WebSocket`. */
  readonly connect?: (url: string) => WebSocketLike;
  readonly onState?: (state: StreamState) => void;
  /** A login or a channel was refused; without it such a refusal is silent. A refused login ends the client, unless it may be tried again. */
  readonly onRefused?: (refused: StreamRefused) => void;
  /** Why a connection was given up, why there were no credentials, or what a listener has thrown; without it these are silent. */
  readonly onError?: (error: unknown) => void;
  readonly limits?: Partial<ClientLimits>;
  /** From 0 up to 1; absent: `Math.random`. */
  readonly random?: () => number;
  readonly schedule?: Schedule;
}

/** Since the client was made. */
export interface StreamCounts {
  /** Connections that have logged in. */
  readonly connections: number;
  /** Channels that began anew, and those that went on where they were after a connection was lost. */
  readonly snapshots: number;
  readonly resumed: number;
  /** Deltas that did not follow on what came before: a snapshot was asked for each. */
  readonly gaps: number;
  /** Logins that were renewed before they ended. */
  readonly renewals: number;
}

export const platformSocket = (url: string): WebSocketLike => {
  const { WebSocket } = globalThis as { readonly WebSocket?: new (url: string) => WebSocketLike };
  if (WebSocket === undefined) throw new Error("this platform has no WebSocket: give `connect`, by the package ws");
  return new WebSocket(url);
};

export const platformSchedule: Schedule = (run, ms) => {
  const timer = setTimeout(run, ms);
  return () => clearTimeout(timer);
};
