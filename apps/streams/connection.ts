import { type Access, AccessRefused, may, mayRead, type Principal, streamLogin } from "#libs/access/index.ts";
import { type Channel, channelKinds, parseChannel } from "#libs/contracts/stream/channels.ts";
import { closeCodes, type StreamErrorCode, streamErrors } from "#libs/contracts/stream/codes.ts";
import type { Login, StreamRequest, Subscribe } from "#libs/contracts/stream/protocol.ts";
import { readStreamRequest } from "#libs/contracts/stream/reading.ts";
import { TokenBucket } from "#libs/process/token-bucket.ts";
import type { Hub } from "./hub.ts";
import { limits } from "./limits.ts";
import { Outgoing, type Socket } from "./outgoing.ts";
import type { Reader, Topic } from "./topic.ts";

export interface ConnectionParts {
  readonly socket: Socket;
  readonly hub: Hub;
  readonly access: Access;
  /** Of this run of the process. */
  readonly run: string;
  /** Whom an account belongs to. */
  readonly ownerOf: (account: string) => string;
  /** Takes a place for a principal; false: it has as many connections as it may. */
  readonly admit: (principal: Principal) => boolean;
  /** Monotonic ms, and UTC ms. */
  readonly now: () => number;
  readonly wall: () => number;
  readonly onSent: (frames: number) => void;
  /** Something of ours does not work, so that a login could not be looked at. */
  readonly onTrouble: (error: unknown) => void;
}

interface Refused {
  readonly code: string;
  readonly reason: string;
  readonly retryAfterMs?: number;
  readonly ch?: string;
}

const refusal = (code: StreamErrorCode, more: Partial<Refused> = {}): Refused => ({
  code,
  reason: streamErrors[code],
  ...more,
});

/** One client: who it is, what it reads, how fast it asks and how fast it reads. */
export class Connection implements Reader {
  readonly #parts: ConnectionParts;
  readonly #topics = new Map<string, Topic>();
  readonly #out: Outgoing;
  readonly #rate: TokenBucket;
  readonly #refusals: TokenBucket;
  readonly #snapshots: TokenBucket;
  readonly #logins: TokenBucket;
  readonly #openedAt: number;
  #principal: Principal | null = null;
  #loggingIn = false;
  #ended = false;
  #badFrames = 0;
  #heardAt: number;
  #pingedAt: number;
  #checkedAt: number;

  constructor(parts: ConnectionParts) {
    this.#parts = parts;
    const now = parts.now();
    this.#openedAt = now;
    this.#heardAt = now;
    this.#pingedAt = now;
    this.#checkedAt = now;
    this.#rate = new TokenBucket({ burst: limits.frameBurst, perSecond: limits.framesPerSecond }, now);
    this.#refusals = new TokenBucket({ burst: limits.refusalBurst, perSecond: limits.refusalsPerSecond }, now);
    this.#snapshots = new TokenBucket({ burst: limits.snapshotBurst, perSecond: limits.snapshotsPerSecond }, now);
    this.#logins = new TokenBucket({ burst: limits.loginBurst, perSecond: limits.loginsPerSecond }, now);
    this.#out = new Outgoing(parts.socket, (topic) => parts.hub.snapshot(topic));
    this.#say({ op: "hello", run: parts.run, heartbeatMs: limits.heartbeatMs, loginWithinMs: limits.loginWithinMs });
  }

  get principal(): Principal | null {
    return this.#principal;
  }

  /** What the client has said; a frame that cannot be used is refused, and too many of them end the connection. */
  async hear(message: Uint8Array, text: boolean): Promise<void> {
    // One that is closed may go on talking until it has heard of it.
    if (this.#ended) return;
    const now = this.#parts.now();
    this.#heardAt = now;
    const waitMs = this.#rate.take(now);
    if (waitMs > 0) return this.#tooFast(waitMs, now);
    const read = readStreamRequest(message);
    if (!text || !read.ok) {
      const why = read.ok ? "the frame is not text" : (read.problems[0]?.message ?? streamErrors.bad_frame);
      this.#refuse(read.id, { code: "bad_frame", reason: why });
      this.#badFrames += 1;
      if (this.#badFrames > limits.badFrames) this.close(closeCodes.badFrames, "too many bad frames");
      return;
    }
    await this.#answer(read.value);
  }

  /** An answer to a ping of the protocol below. */
  heard(): void {
    this.#heardAt = this.#parts.now();
  }

  /** A ping of the protocol below: a frame like any other. */
  pinged(data: Uint8Array): void {
    if (this.#ended) return;
    const now = this.#parts.now();
    this.#heardAt = now;
    const waitMs = this.#rate.take(now);
    if (waitMs > 0) this.#tooFast(waitMs, now);
    else this.#out.pong(data);
  }

  send(topic: Topic, frame: Buffer): void {
    this.#out.send(topic, frame);
    this.#parts.onSent(1);
  }

  /** The socket has room again. */
  drained(): void {
    this.#out.catchUp(this.#parts.now());
  }

  /**
   * Asked now and then: closes who is late with a login, silent, or behind for too long; otherwise shows that the server lives. True: it is
   * time to look at its login again.
   */
  tend(): boolean {
    const now = this.#parts.now();
    const { wall } = this.#parts;
    const ended = this.#endOf(now);
    if (ended !== null) {
      this.close(...ended);
      return false;
    }
    if (now - this.#pingedAt >= limits.heartbeatMs) {
      this.#pingedAt = now;
      this.#parts.socket.ping();
      this.#say({ op: "heartbeat", t: wall() });
    }
    if (this.#principal === null || now - this.#checkedAt < limits.recheckMs) return false;
    this.#checkedAt = now;
    return true;
  }

  /** Why it ends now, if it does. */
  #endOf(now: number): readonly [code: number, reason: string] | null {
    if (this.#principal === null && now - this.#openedAt >= limits.loginWithinMs)
      return [closeCodes.unauthorised, "no login in time"];
    if (now - this.#heardAt >= limits.silentMs) return [closeCodes.tooSlow, "silent"];
    if (this.#out.catchUp(now) >= limits.behindMs) return [closeCodes.tooSlow, "too far behind"];
    const until = this.#principal?.expiresAt ?? Number.POSITIVE_INFINITY;
    return until <= this.#parts.wall() ? [closeCodes.unauthorised, "the login has expired"] : null;
  }

  /** Whether it may still be here, and read what it reads: logins end, and accounts change hands. */
  async recheck(): Promise<void> {
    const principal = this.#principal;
    if (principal === null) return;
    const holds = await this.#parts.access.stillHolds(principal);
    // Another one has taken its place meanwhile.
    if (this.#principal !== principal) return;
    if (!holds) return this.close(closeCodes.unauthorised, "the login does not hold any more");
    this.#leaveForbidden(principal);
  }

  #leaveForbidden(principal: Principal): void {
    for (const [ch, topic] of this.#topics) {
      const channel = parseChannel(ch);
      if (channel !== null && this.#mayRead(principal, channel)) continue;
      this.#leave(topic);
      this.#refuse(null, refusal("forbidden", { ch }));
    }
  }

  close(code: number, reason: string): void {
    if (this.#ended) return;
    this.ended();
    this.#parts.socket.close(code, reason);
  }

  /** It is over: nothing is sent to it any more. */
  ended(): void {
    this.#ended = true;
    for (const topic of this.#topics.values()) this.#leave(topic);
    this.#out.end();
  }

  /** Who goes on all the same is closed. */
  #tooFast(waitMs: number, now: number): void {
    if (this.#refusals.take(now) > 0) return this.close(closeCodes.tooMany, "too many frames");
    this.#refuse(null, refusal("rate_limited", { retryAfterMs: Math.ceil(waitMs) }));
  }

  async #answer(request: StreamRequest): Promise<void> {
    const { op, id } = request;
    if (op === "ping") return this.#say({ id, ok: true, t: this.#parts.wall() });
    if (op === "auth") return this.#login(request);
    const principal = this.#principal;
    if (principal === null) return this.#refuse(id, refusal("not_authenticated"));
    if (op === "subscribe") return this.#subscribe(principal, request);
    const topics = new Set<Topic>();
    for (const ch of request.channels) {
      const topic = this.#topics.get(ch);
      if (topic === undefined) return this.#refuse(id, refusal("not_subscribed", { ch }));
      topics.add(topic);
    }
    if (op === "unsubscribe") for (const topic of topics) this.#leave(topic);
    else if (this.#refusesSnapshots(id, topics.size)) return;
    this.#say({ id, ok: true });
    if (op === "resync") for (const topic of topics) this.#out.latest(topic);
  }

  async #login(request: Extract<StreamRequest, { op: "auth" }>): Promise<void> {
    const { id } = request;
    if (this.#loggingIn) return this.#refuse(id, refusal("already_authenticated"));
    const waitMs = this.#logins.take(this.#parts.now());
    if (waitMs > 0) return this.#refuse(id, refusal("rate_limited", { retryAfterMs: waitMs }));
    this.#loggingIn = true;
    try {
      const principal = await this.#verified(request);
      // Gone meanwhile: a place that it took now would never be given back.
      if (this.#ended) return;
      const before = this.#principal;
      if (before !== null && before.id !== principal.id) return this.#refuse(id, refusal("already_authenticated"));
      if (before === null && !this.#parts.admit(principal)) {
        this.#refuse(id, refusal("too_many_connections"));
        return this.close(closeCodes.tooMany, "too many connections");
      }
      this.#principal = principal;
      const login: Login = {
        principal: principal.id,
        roles: [...principal.roles],
        owner: principal.owner,
        expiresAt: principal.expiresAt,
      };
      this.#say({ id, ok: true, login, t: this.#parts.wall() });
      if (before !== null) this.#leaveForbidden(principal);
    } catch (error) {
      if (!(error instanceof AccessRefused)) {
        this.#parts.onTrouble(error);
        return this.#refuse(id, refusal("recovering", { retryAfterMs: limits.retryMostMs }));
      }
      this.#refuse(id, { code: error.code, reason: error.message });
      this.close(closeCodes.unauthorised, error.code);
    } finally {
      this.#loggingIn = false;
    }
  }

  async #verified(request: Extract<StreamRequest, { op: "auth" }>): Promise<Principal> {
    const { access } = this.#parts;
    if ("token" in request) return access.verifyToken(request.token);
    const { key, timestamp, nonce, signature } = request;
    return access.verifySignature({ key, timestamp: String(timestamp), nonce, signature }, streamLogin);
  }

  /** Too many in too little time; `id`: of the request, which has been told. */
  #refusesSnapshots(id: string, count: number): boolean {
    const waitMs = this.#snapshots.take(this.#parts.now(), count);
    if (waitMs > 0) this.#refuse(id, refusal("rate_limited", { retryAfterMs: waitMs }));
    return waitMs > 0;
  }

  /** All of the channels, or none of them and why. */
  #subscribe(principal: Principal, { id, channels, resume }: Subscribe): void {
    const wanted = new Set(channels);
    if (this.#refusesSnapshots(id, wanted.size)) return;
    const joined: Topic[] = [];
    const refused = this.#join(principal, wanted, joined);
    if (refused !== null) {
      for (const topic of joined) this.#leave(topic);
      return this.#refuse(id, refused);
    }
    this.#say({ id, ok: true });
    for (const ch of wanted) {
      const topic = this.#topics.get(ch) as Topic;
      const from = resume?.run === this.#parts.run && Object.hasOwn(resume.seq, ch) ? resume.seq[ch] : undefined;
      const deltas = from === undefined ? null : topic.after(from);
      if (deltas === null) this.#out.latest(topic);
      for (const frame of deltas ?? []) this.#out.send(topic, frame);
    }
  }

  #join(principal: Principal, channels: ReadonlySet<string>, joined: Topic[]): Refused | null {
    for (const ch of channels) {
      if (this.#topics.has(ch)) continue;
      const channel = parseChannel(ch);
      if (channel === null || !this.#parts.hub.knows(channel)) return refusal("unknown_channel", { ch });
      if (!this.#mayRead(principal, channel)) return refusal("forbidden", { ch });
      if (this.#topics.size >= limits.channels) return refusal("too_many_channels", { ch });
      const topic = this.#parts.hub.join(channel, this);
      if (topic === null) return refusal("recovering", { ch, retryAfterMs: limits.retryMostMs });
      this.#topics.set(ch, topic);
      joined.push(topic);
    }
    return null;
  }

  #mayRead(principal: Principal, { name, id }: Channel): boolean {
    const { audience } = channelKinds[name];
    if (audience === "public") return may(principal, "public");
    if (audience === "operators" || id === null) return may(principal, "read");
    return mayRead(principal, this.#parts.ownerOf(id));
  }

  #leave(topic: Topic): void {
    this.#parts.hub.leave(topic, this);
    this.#topics.delete(topic.ch);
    this.#out.forget(topic);
  }

  #refuse(id: string | null, { code, reason, retryAfterMs, ch }: Refused): void {
    const error = { code, reason, retryAfterMs: retryAfterMs ?? null, ...(ch === undefined ? {} : { ch }) };
    this.#say({ id, ok: false, error });
  }

  #say(body: object): void {
    this.#out.say(Buffer.from(JSON.stringify(body), "utf8"));
  }
}
