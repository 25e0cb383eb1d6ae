import type { CrashRun } from "#libs/simulation/crash-run.ts";
import { count, minute, percent, usd } from "./crash-figures.ts";

const terminalMs = 200;
const linesMs = 5_000;

/** Where a run is, on stderr: one line that rewrites itself on a terminal, else a line every few seconds. */
export class Progress {
  readonly #name: string;
  readonly #terminal = process.stderr.isTTY;
  #last = Date.now();

  constructor(name: string) {
    this.#name = name;
  }

  show(at: { readonly t: number; readonly share: number; readonly run: CrashRun }): void {
    const now = Date.now();
    if (now - this.#last < (this.#terminal ? terminalMs : linesMs)) return;
    this.#last = now;
    const { tally, samples } = at.run;
    const line = `${this.#name}  ${minute(at.t)}  ${percent(at.share, 0)}  lead ${usd(samples.at(-1)?.leadPrice ?? 0)}  liquidated ${count(tally.liquidated.size)}  deleveraged ${usd(tally.adl.notionalUsd)}  fund ${usd(samples.at(-1)?.fundUsd ?? 0)}`;
    process.stderr.write(this.#terminal ? `\r\u001b[K${line}` : `${line}\n`);
  }

  done(): void {
    if (this.#terminal) process.stderr.write("\r\u001b[K");
  }
}
