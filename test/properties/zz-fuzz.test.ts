import fc from "fast-check";
import { test } from "vitest";
import { readScenario } from "#apps/cli/scenario.ts";
import { runScenario } from "#libs/simulation/scenario.ts";
import { readFileSync } from "node:fs";
import { mutationsOf } from "#test/support/mutations.ts";

test("fuzz", () => {
  const wide = JSON.parse(readFileSync(process.env.FZ ?? "/tmp/example-ok.json", "utf8"));
  let ok = 0, n = 0; const errs = new Map<string, [number, unknown]>();
  fc.assert(fc.property(mutationsOf(wide, 2), (f) => {
    n++;
    const r = readScenario(JSON.stringify(f) ?? "");
    if (!r.ok) return;
    ok++;
    try { const x = runScenario(r.scenario, { receipts: true }); JSON.stringify(x); if (!x.ok) throw new Error("NOT OK " + JSON.stringify(x.invariants)); }
    catch (e) { const m = String((e as Error).stack).split("\n").slice(0, 4).join(" | "); const k = errs.get(m); if (k) k[0]++; else errs.set(m, [1, f]); }
  }), { numRuns: 3000, seed: Number(process.env.SEED ?? 1) });
  console.log(n, ok);
  for (const [m, [c, f]] of errs) console.log(c, m, "\n", JSON.stringify(f).slice(0, 300000) === JSON.stringify(wide) ? "" : diff(wide, f));
}, 600000);
function diff(a: any, b: any, p = "$"): string {
  if (JSON.stringify(a) === JSON.stringify(b)) return "";
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return `${p}: ${JSON.stringify(a)} -> ${JSON.stringify(b)}\n`;
  return [...new Set([...Object.keys(a), ...Object.keys(b)])].map((k) => diff(a[k], b[k], `${p}.${k}`)).join("").slice(0, 600);
}
