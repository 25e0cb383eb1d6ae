import { execFile } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import { alertCodes } from "#apps/scheduler/alerts/catalogue.ts";
import { missingPrograms, serverProgram } from "#libs/process/servers/index.ts";
import { createMetrics } from "#libs/telemetry/metrics.ts";
import { dockerFile, dockerFolder } from "#test/support/compose.ts";
import { root } from "#test/support/source.ts";

interface Rule {
  readonly alert: string;
  readonly expr: string;
  readonly annotations: Readonly<Record<string, string>>;
}
interface Dashboard {
  readonly uid: string;
  readonly panels: readonly { readonly title: string; readonly targets: readonly { readonly expr: string }[] }[];
}

const { groups } = parse(dockerFile("prometheus/alerts.yml")) as { groups: { rules: Rule[] }[] };
const rules = groups.flatMap((group) => group.rules);
const dashboardFolder = join(dockerFolder, "grafana/dashboards");
const dashboards = readdirSync(dashboardFolder).map(
  (file) => JSON.parse(readFileSync(join(dashboardFolder, file), "utf8")) as Dashboard,
);

/** Of Prometheus itself, and what its language says. */
const known = new Set(["histogram_quantile", "up", "le"]);
const metricNames = new Set(
  createMetrics("test")
    .registry.getMetricsAsArray()
    .map(({ name }) => name),
);

/** Metrics that an expression reads: what has an underscore and is no label, no value and no function. */
function metricsIn(expression: string): string[] {
  const bare = expression
    .replaceAll(/"[^"]*"/g, "")
    .replaceAll(/\{[^}]*\}/g, "")
    .replaceAll(/\b(?:by|without|on|ignoring)\s*\([^)]*\)/g, "");
  return (bare.match(/[a-z]+(?:_[a-z0-9]+)+/g) ?? []).filter((word) => !known.has(word));
}

const exists = (name: string): boolean =>
  metricNames.has(name) || metricNames.has(name.replace(/_(?:bucket|sum|count)$/, ""));

test("every metric that an alert reads is one that the processes have", () => {
  expect(metricsIn('sum by (le_x) (rate(a_b_bucket{c_d="e_f"}[1m])) > on (g_h) i_j')).toEqual(["a_b_bucket", "i_j"]);
  for (const { alert, expr } of rules) {
    if (alert !== "ProcessDown") expect(metricsIn(expr).length, alert).toBeGreaterThan(0);
    expect(
      metricsIn(expr).filter((name) => !exists(name)),
      alert,
    ).toEqual([]);
  }
});

test("every metric that a dashboard shows is one that the processes have, on the data source that is provided", () => {
  expect(dashboards.map(({ uid }) => uid).sort()).toEqual(["plimsoll-latency", "plimsoll-risk", "plimsoll-service"]);
  for (const { uid, panels } of dashboards)
    for (const { title, targets } of panels)
      for (const { expr } of targets) {
        expect(metricsIn(expr).length, `${uid}: ${title}`).toBeGreaterThan(0);
        expect(
          metricsIn(expr).filter((name) => !exists(name)),
          `${uid}: ${title}`,
        ).toEqual([]);
      }
  const { datasources } = parse(dockerFile("grafana/provisioning/datasources/plimsoll.yml")) as {
    datasources: { uid: string }[];
  };
  const used = new Set(JSON.stringify(dashboards).match(/"type":"prometheus","uid":"[^"]*"/g));
  expect([...used]).toEqual([`"type":"prometheus","uid":"${datasources[0]?.uid ?? ""}"`]);
});

test("every alert has a runbook that exists, and every runbook an alert", () => {
  const folder = "docs/runbooks";
  const written = readdirSync(join(root, folder)).filter((file) => file !== "README.md");
  const named = rules.map(({ alert, annotations }) => {
    expect(existsSync(join(root, annotations["runbook"] ?? "none")), alert).toBe(true);
    return annotations["runbook"]?.slice(folder.length + 1);
  });
  const ofProduct = Object.keys(alertCodes).map((code) => `${code}.md`);
  expect(new Set(written)).toEqual(new Set([...ofProduct, ...named]));
});

test("every alert is tested on a series that makes it fire", () => {
  const tests = dockerFile("prometheus/alerts.test.yml");
  const fires = new Set<string>();
  for (const [, name = ""] of tests.matchAll(/alertname: (\w+)\n\s+exp_alerts:\n/g)) fires.add(name);
  for (const [, name = ""] of tests.matchAll(/\{alertname="(\w+)"\}/g)) fires.add(name);
  expect(rules.map(({ alert }) => alert).filter((alert) => !fires.has(alert))).toEqual([]);
});

const absent = missingPrograms(undefined, ["alerts"]).length > 0;

describe.skipIf(absent)(
  absent ? "promtool is not here, and scripts/install --servers could not bring it" : "promtool",
  () => {
    const run = promisify(execFile);
    const cwd = join(dockerFolder, "prometheus");
    for (const words of [
      ["check", "rules", "alerts.yml"],
      ["check", "config", "prometheus.yml"],
      ["test", "rules", "alerts.test.yml"],
    ])
      test(words.join(" "), async () => {
        const { stdout, stderr } = await run(serverProgram("promtool"), words, { cwd });
        expect(stdout + stderr).toContain("SUCCESS");
      });
  },
);
