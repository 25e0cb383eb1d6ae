import { issueToken, newKeyPair, type Role } from "#libs/access/index.ts";
import { freePort } from "#libs/process/servers/index.ts";
import { type RunningApp, spawnApp } from "#libs/process/spawn-app.ts";
import type { Servers } from "#apps/cli/live/servers.ts";

const keySecret = "a secret of the tests, long enough for any";
const hourMs = 3_600_000;
type StartsApp = (name: string, environment: Readonly<Record<string, string>>) => Promise<RunningApp>;

/** `apps/streams` beside the other processes of a live exchange, with tokens for whoever is to log in. */
export class StreamProcess {
  readonly #environment: Readonly<Record<string, string>>;
  readonly privateKey: string;
  app: RunningApp;
  url = "";

  private constructor(environment: Readonly<Record<string, string>>, privateKey: string, app: RunningApp) {
    this.#environment = environment;
    this.privateKey = privateKey;
    this.app = app;
  }

  static async start(
    servers: Pick<Servers, "natsUrl" | "databaseUrl" | "namespace">,
    settings: Readonly<Record<string, string>> = {},
    spawned: StartsApp = spawnApp,
  ): Promise<StreamProcess> {
    const { privateKey, jwks } = await newKeyPair();
    const port = await freePort();
    const environment = {
      PLIMSOLL_STREAM_PORT: String(port),
      NATS_URL: servers.natsUrl,
      DATABASE_URL: servers.databaseUrl,
      PLIMSOLL_NAMESPACE: servers.namespace,
      PLIMSOLL_JWKS: jwks,
      PLIMSOLL_KEY_SECRET: keySecret,
      ...settings,
    };
    const app = await spawned("streams", environment);
    const stream = new StreamProcess(environment, privateKey, app);
    await stream.#ready();
    return stream;
  }

  get keySecret(): string {
    return keySecret;
  }

  async token(
    roles: readonly Role[],
    owner: string | null = null,
    subject = "somebody",
    lifetimeMs = hourMs,
    now = Date.now(),
  ): Promise<string> {
    return issueToken(this.privateKey, { subject, roles, owner }, lifetimeMs, now);
  }

  /** kill -9, then another one in its place. */
  async restart(): Promise<void> {
    await this.app.kill();
    this.app = await spawnApp("streams", this.#environment);
    await this.#ready();
  }

  async stop(): Promise<void> {
    await this.app.stop();
  }

  async #ready(): Promise<void> {
    const { streamPort } = await this.app.whenMessage("ready");
    await this.app.whenMessage("current");
    this.url = `ws://127.0.0.1:${String(streamPort)}/v1/stream`;
  }
}
