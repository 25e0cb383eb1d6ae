import { createHistogram } from "node:perf_hooks";
import type { RecordableHistogram } from "node:perf_hooks";
import type { NatsError, ServiceMsg } from "nats";
import { errorHeaders, natsOf, readHeaders, refusalOf } from "./bus.ts";
import type { Bus, NatsBus } from "./bus.ts";
import { BusRefused, Unanswered } from "./errors.ts";

export interface ServiceEndpoint {
  readonly subject: string;
  /** The answer, already encoded. A thrown `BusRefused` travels as it is, `Unanswered` is no answer at all, any other error is code 500. */
  readonly handle: (
    data: Uint8Array,
    headers: ReadonlyMap<string, string>,
  ) => Promise<Uint8Array | string> | Uint8Array | string;
}

export interface ServiceOptions {
  readonly name: string;
  /** Semantic version. */
  readonly version: string;
  readonly description: string;
  /** Queue group: each request goes to one member. */
  readonly group: string;
  readonly endpoints: Readonly<Record<string, ServiceEndpoint>>;
  readonly metadata?: Readonly<Record<string, string>>;
  /** Further figures for `$SRV.STATS`. */
  readonly stats?: () => unknown;
}

export interface RunningService {
  readonly id: string;
  /** From now on requests go to other members of the group. Resolves when those under way have been answered. */
  stop(): Promise<void>;
}

/** Requests of one endpoint that may wait for their answers. */
export const requestsMax = 5_000;
const longestUs = 60_000_000;

/** A NATS micro service: found by `$SRV.PING`, `$SRV.INFO` and `$SRV.STATS`, errors as `Nats-Service-Error(-Code)` and body. */
export async function openService(bus: Bus, options: ServiceOptions): Promise<RunningService> {
  const nats = natsOf(bus);
  const recorders = new Map(Object.keys(options.endpoints).map((name) => [name, new Recorder()]));
  const service = await nats.connection.services.add({
    name: options.name,
    version: options.version,
    description: options.description,
    queue: options.group,
    ...(options.metadata === undefined ? {} : { metadata: { ...options.metadata } }),
    statsHandler: async (endpoint) => {
      const own = options.stats === undefined ? {} : { service: options.stats() };
      return Promise.resolve({ ...recorders.get((endpoint as { name?: string }).name ?? "")?.figures(), ...own });
    },
  });
  for (const [name, endpoint] of Object.entries(options.endpoints)) {
    const handler = handlerOf(nats, endpoint, recorders.get(name) as Recorder);
    service.addEndpoint(name, { subject: endpoint.subject, queue: options.group, handler });
  }
  await bus.flush();
  return {
    id: service.info().id,
    async stop() {
      await service.stop();
    },
  };
}

function handlerOf(nats: NatsBus, endpoint: ServiceEndpoint, recorder: Recorder) {
  let waiting = 0;
  const fail = (message: ServiceMsg, started: number, error: unknown): void => {
    if (error instanceof Unanswered) return;
    if (!(error instanceof BusRefused)) nats.logger.error({ error, subject: message.subject }, "a request failed");
    recorder.record(started, false);
    const { code, text, body } = refusalOf(error);
    if (!nats.connection.isClosed()) message.respond(JSON.stringify(body), { headers: errorHeaders(code, text) });
  };
  const answer = (message: ServiceMsg, started: number, body: Uint8Array | string): void => {
    if (!nats.connection.isClosed()) message.respond(body);
    recorder.record(started, true);
  };
  return (error: NatsError | null, message: ServiceMsg): void => {
    if (error !== null) return;
    const started = performance.now();
    try {
      if (waiting >= requestsMax) throw new BusRefused(429, "too many requests");
      const result = endpoint.handle(message.data, readHeaders(message.headers));
      if (!(result instanceof Promise)) return answer(message, started, result);
      waiting += 1;
      result
        .then((body) => answer(message, started, body))
        .catch((failure: unknown) => fail(message, started, failure))
        .finally(() => {
          waiting -= 1;
        });
    } catch (failure) {
      fail(message, started, failure);
    }
  };
}

/** Times of one endpoint: the client library's own count whole milliseconds, which is too coarse here. */
class Recorder {
  readonly #histogram: RecordableHistogram = createHistogram({ lowest: 1, highest: longestUs, figures: 3 });
  #answered = 0;
  #refused = 0;

  record(started: number, good: boolean): void {
    const us = Math.round((performance.now() - started) * 1000);
    this.#histogram.record(Math.min(Math.max(us, 1), longestUs));
    if (good) this.#answered += 1;
    else this.#refused += 1;
  }

  figures(): Record<string, number> {
    const at = (percent: number): number => (this.#histogram.count === 0 ? 0 : this.#histogram.percentile(percent));
    return {
      answered: this.#answered,
      errors: this.#refused,
      p50_us: at(50),
      p90_us: at(90),
      p99_us: at(99),
      p999_us: at(99.9),
      max_us: this.#histogram.count === 0 ? 0 : this.#histogram.max,
    };
  }
}
