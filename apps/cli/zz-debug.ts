import { readCrash, eventFolder } from "./crash-files.ts";
import { CrashRun } from "#libs/simulation/crash-run.ts";
const run = new CrashRun(readCrash(eventFolder("covid-2020-03")), { accounts: 20000, seed: 1, policy: "queue", audit: "light", from: Date.UTC(2020,2,12,10,30), to: Date.UTC(2020,2,12,11,10),
 observe: (e) => { const a = e.apply.bind(e); e.apply = (x) => { const r = a(x); if (JSON.stringify(x).includes("a0002944") || r.facts.some(f=>f["account"]==="a0002944")) console.log(JSON.stringify(x).slice(0,300), "=>", r.facts.filter(f=>f["account"]==="a0002944").map(f=>JSON.stringify(f)).join("\n    ")); return r; }; } });
run.run();
