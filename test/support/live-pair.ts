import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Bus, connectBus, ensureStreams, type EntryWriter, openEntryWriter } from "#libs/adapters/nats/index.ts";
import { migrate } from "#libs/adapters/postgres/index.ts";
import type { FactBatch } from "#libs/contracts/live/margin.ts";
import type { RpcVerb, TradingVerb, VenueVerb } from "#libs/contracts/live/subjects.ts";
import type { EntryBody, FrameEntry } from "#libs/contracts/log.ts";
import type { RuleDocument } from "#libs/domain/rule-set/documents.ts";
import { type RunningApp, spawnApp } from "#libs/process/spawn-app.ts";
import { deleteStreams } from "./streams.ts";

type Fact = FactBatch["facts"][number];

const frameEveryMs = 200;
const withinMs = 10_000;

/** A shard and its matching engine, both as they run in production, with a mark-price of the test's own. */
export class LivePair {
  readonly bus: Bus;
  readonly facts: Fact[] = [];
  readonly #natsUrl: string;
  readonly #folder: string;
  readonly #environment: Readonly<Record<string, string>>;
  readonly #apps: RunningApp[] = [];
  readonly #writers = new Map<string, EntryWriter>();
  #frames: NodeJS.Timeout | undefined;

  private constructor(natsUrl: string, databaseUrl: string, bus: Bus, document: RuleDocument) {
    this.bus = bus;
    this.#natsUrl = natsUrl;
    this.#folder = mkdtempSync(join(tmpdir(), "plimsoll-pair-"));
    const rules = join(this.#folder, "rules.json");
    writeFileSync(rules, JSON.stringify(document));
    const { namespace } = bus.names;
    const servers = { NATS_URL: natsUrl, DATABASE_URL: databaseUrl, PLIMSOLL_NAMESPACE: namespace };
    this.#environment = { ...servers, PLIMSOLL_RULES: rules, PLIMSOLL_DATA: this.#folder };
    bus.subscribe(bus.names.subjects.allFacts, ({ data }) => {
      this.facts.push(...(JSON.parse(new TextDecoder().decode(data)) as FactBatch).facts);
    });
  }

  static async open(
    natsUrl: string,
    databaseUrl: string,
    namespace: string,
    document: RuleDocument,
  ): Promise<LivePair> {
    await migrate(databaseUrl);
    const bus = await connectBus({ url: natsUrl, name: "test", namespace });
    await ensureStreams(bus, ["0"]);
    return new LivePair(natsUrl, databaseUrl, bus, document);
  }

  async start(
    name: "margin" | "venue" | "liquidation",
    settings: Readonly<Record<string, string>> = {},
  ): Promise<RunningApp> {
    const app = await spawnApp(
      name,
      { ...this.#environment, ...settings },
      name === "margin" ? { arguments: ["leader"] } : {},
    );
    this.#apps.push(app);
    return app;
  }

  /** An operator's entry, or one of the mark-price process, stored. */
  async put(source: string, body: EntryBody, trace?: string): Promise<void> {
    const known = this.#writers.get(source) ?? openEntryWriter(this.bus, { shard: "0", source, lastSeq: 0 });
    this.#writers.set(source, known);
    await known.write(body, Date.now(), trace).stored;
  }

  /** Says the same prices again and again, as a market at rest does: older marks close the gate. `trace`: of the first of them. */
  async quote(frame: Omit<FrameEntry, "k">, trace?: string): Promise<void> {
    clearInterval(this.#frames);
    await this.put("mark-price", { k: "frame", ...frame }, trace);
    this.#frames = setInterval(
      () => void this.put("mark-price", { k: "frame", ...frame }).catch(() => {}),
      frameEveryMs,
    );
  }

  async trade<T>(verb: TradingVerb, body: object): Promise<T> {
    return this.bus.request<T>(this.bus.names.subjects.trading(verb), body, { timeoutMs: withinMs });
  }

  async ask<T>(verb: RpcVerb, body: object): Promise<T> {
    return this.bus.request<T>(this.bus.names.subjects.rpc("0", verb), body, { timeoutMs: withinMs });
  }

  async venue<T>(verb: VenueVerb, body: object): Promise<T> {
    return this.bus.request<T>(this.bus.names.subjects.venue(verb), body, { timeoutMs: withinMs });
  }

  async stop(): Promise<void> {
    clearInterval(this.#frames);
    for (const app of this.#apps.toReversed()) if (app.running) await app.stop();
    for (const one of this.#writers.values()) await one.close();
    await this.bus.close();
    await deleteStreams(this.#natsUrl, this.bus.names).catch(() => {});
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
