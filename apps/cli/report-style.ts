/** The style sheet of reports: system fonts, light and dark, readable when printed. */
export const reportStyle = `
:root { color-scheme: light dark; --ink: #16202b; --soft: #566473; --paper: #ffffff; --ground: #f4f6f8; --rule: #dde3e9;
  --s0: #1565c0; --s1: #c2410c; --s2: #2e7d32; --s3: #7b3fb3; --s4: #8a6d00; --s5: #b0256b; --warn: #d97706; --bad: #b91c1c; --worse: #7f1d1d; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6ecf2; --soft: #9aa8b6; --paper: #18212b; --ground: #10171f; --rule: #2c3844;
  --s0: #6cb2ff; --s1: #ff9b66; --s2: #7fd387; --s3: #c9a0f5; --s4: #e5c558; --s5: #ff8fc0; --warn: #f5b04a; --bad: #f57b7b; --worse: #ff4d4d; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--ink); font: 16px/1.5 system-ui, -apple-system, "Segoe UI", sans-serif; font-variant-numeric: tabular-nums; }
header, main, footer { max-width: 1080px; margin: 0 auto; padding: 0 20px; }
header { padding-top: 32px; } header p, footer p { color: var(--soft); margin: 4px 0; }
.brand { color: var(--ink) !important; font-weight: 650; } .brand span { font-weight: 400; color: var(--soft); }
h1 { font-size: 1.9rem; line-height: 1.2; margin: 4px 0 6px; } h2 { font-size: 1.2rem; margin: 0 0 8px; }
section { background: var(--paper); border: 1px solid var(--rule); border-radius: 10px; padding: 18px 20px; margin: 18px 0; }
section > p { margin: 0 0 10px; max-width: 75ch; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(260px, 1fr)); gap: 12px; margin: 18px 0; }
.tile { background: var(--paper); border: 1px solid var(--rule); border-radius: 10px; padding: 12px 16px; }
.tile dt { color: var(--soft); font-size: .875rem; } .tile dd { margin: 0; } .tile strong { display: block; font-size: 1.45rem; font-weight: 650; }
.tile span { color: var(--soft); font-size: .875rem; }
.pair { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(420px, 100%), 1fr)); gap: 8px 28px; align-items: start; }
figure { margin: 10px 0; min-width: 0; } figcaption, caption { text-align: left; font-weight: 600; padding: 2px 0 6px; }
.chart { display: block; width: 100%; height: auto; } .grid { stroke: var(--rule); } .axis, .mark { stroke: var(--soft); } .tick { fill: var(--soft); font-size: 12px; }
.line { fill: none; stroke-width: 1.8; stroke-linejoin: round; }
.s0 { stroke: var(--s0); } .s1 { stroke: var(--s1); stroke-dasharray: 7 3; } .s2 { stroke: var(--s2); stroke-dasharray: 2 3; }
.s3 { stroke: var(--s3); stroke-dasharray: 9 3 2 3; } .s4 { stroke: var(--s4); stroke-dasharray: 4 2; } .s5 { stroke: var(--s5); stroke-dasharray: 1 2; }
.bar.l0 { fill: var(--s0); } .bar.l1 { fill: var(--warn); } .bar.l2 { fill: var(--bad); } .bar.l3 { fill: var(--worse); }
.swatch { display: inline-block; width: 18px; height: 10px; border-radius: 2px; } .swatch.l1 { background: var(--warn); } .swatch.l2 { background: var(--bad); } .swatch.l3 { background: var(--worse); }
.legend { list-style: none; display: flex; flex-wrap: wrap; gap: 4px 18px; margin: 0 0 4px; padding: 0; font-size: .875rem; color: var(--soft); }
.legend li { display: flex; align-items: center; gap: 6px; } .legend svg { width: 26px; height: 8px; }
.scroll { overflow-x: auto; } table { border-collapse: collapse; width: 100%; font-size: .9rem; }
th, td { padding: 5px 10px 5px 0; border-bottom: 1px solid var(--rule); text-align: left; font-weight: 400; white-space: nowrap; }
thead th { color: var(--soft); font-size: .8rem; } .number { text-align: right; padding-right: 12px; } .bars { width: 22%; min-width: 70px; } .cellbar { width: 100%; height: 8px; display: block; }
.unseen { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
details.run { margin: 18px 0; } summary { cursor: pointer; padding: 6px 0; font-weight: 600; } code { font-size: .85rem; word-break: break-all; } .none { color: var(--soft); }
footer { padding-bottom: 40px; }
@media print { body { background: none; } section, .tile { break-inside: avoid; } }
`;
