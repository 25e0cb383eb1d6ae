/**
 * The layers of the repository, as data. A zone is a folder; its modules may import their own zone, the zones and
 * packages in `values`, and those in `types` by `import type` alone. An entry ending in `/*` stands for every
 * folder below it, `node:*` for every module of Node.
 */
export type Layer = {
  readonly zone: string;
  readonly values: readonly string[];
  readonly types?: readonly string[];
};

/** The stages of the domain from left to right: each may import those before it. */
export const stages = [
  "rule-set",
  "positions",
  "funding",
  "mark-price",
  "collateral",
  "margin",
  "health",
  "breakers",
  "limits",
  "entities",
  "pre-trade",
  "adl",
  "settlement",
  "liquidation",
  "receipts",
] as const;

const domain: Layer[] = stages.map((stage, at) => ({
  zone: `libs/domain/${stage}`,
  values: ["libs/decimal", ...stages.slice(0, at).map((left) => `libs/domain/${left}`)],
}));

const adapters: Layer[] = [
  { zone: "libs/adapters/nats", values: ["nats"] },
  { zone: "libs/adapters/redis", values: ["ioredis"] },
  { zone: "libs/adapters/bullmq", values: ["bullmq", "ioredis"] },
  { zone: "libs/adapters/postgres", values: ["pg", "node-pg-migrate"] },
].map(({ zone, values }) => ({
  zone,
  values: [...values, "libs/contracts", "libs/decimal", "libs/process", "libs/telemetry", "node:*"],
}));

/** Every library but the simulation, which stays out of the processes that run in production. */
const production = [
  "libs/decimal",
  "libs/domain/*",
  "libs/engine",
  "libs/journal",
  "libs/contracts",
  "libs/client",
  "libs/access",
  "libs/adapters/*",
  "libs/process",
  "libs/telemetry",
  "node:*",
];

const apps: Layer[] = [
  { zone: "apps/mark-price", values: [...production] },
  { zone: "apps/margin", values: [...production] },
  { zone: "apps/liquidation", values: [...production] },
  { zone: "apps/streams", values: [...production, "ws", "fastify"] },
  {
    zone: "apps/api",
    values: [
      ...production,
      "fastify",
      "@fastify/helmet",
      "@fastify/rate-limit",
      "@fastify/static",
      "@fastify/swagger-ui",
      "typebox",
      "esbuild",
      "preact",
      "@preact/signals",
      "uplot",
    ],
  },
  { zone: "apps/scheduler", values: [...production] },
  {
    zone: "apps/cli",
    values: [...production, "libs/simulation", "commander", "log-update", "cli-table3", "picocolors", "esbuild", "ws"],
  },
  { zone: "apps/venue", values: [...production, "libs/simulation", "nodejs-order-book"] },
];

export const layers: readonly Layer[] = [
  { zone: "libs/decimal", values: ["decimal.js"] },
  ...domain,
  { zone: "libs/engine", values: ["libs/decimal", "libs/domain/*"], types: ["libs/contracts"] },
  { zone: "libs/contracts", values: ["libs/decimal", "typebox"], types: ["libs/domain/*"] },
  { zone: "libs/process", values: ["node:*", "pino", "prom-client"] },
  { zone: "libs/telemetry", values: ["node:*", "pino", "prom-client"] },
  {
    zone: "libs/journal",
    values: ["libs/decimal", "libs/engine", "libs/adapters/postgres", "node:*"],
    types: ["libs/contracts", "libs/domain/*"],
  },
  // Who somebody is and what they may do: logins of traders, tokens of operators, the table of rights.
  { zone: "libs/access", values: ["libs/contracts", "jose", "node:*"] },
  { zone: "libs/client", values: ["libs/contracts"] },
  { zone: "libs/simulation", values: ["libs/decimal", "libs/domain/*", "libs/engine"], types: ["libs/contracts"] },
  ...adapters,
  ...apps,
];

/** The layer a module of `libs/` or `apps/` belongs to, or undefined where the table has no such folder. */
export function layerOf(path: string): Layer | undefined {
  return layers.find(({ zone }) => path.startsWith(`${zone}/`));
}

/** Whether `destination` (a path from the root, a package or a builtin) is among the entries of a layer. */
export function matches(entries: readonly string[], destination: string): boolean {
  return entries.some((entry) => {
    if (entry === "node:*") return destination.startsWith("node:");
    if (entry.endsWith("/*")) return destination.startsWith(entry.slice(0, -1));
    return destination === entry || destination.startsWith(`${entry}/`);
  });
}
