import { readdirSync, readFileSync } from "node:fs";

/** Linux counts in hundredths of a second. */
const secondsPerTick = 0.01;

interface Row {
  readonly pid: number;
  readonly parent: number;
  readonly seconds: number;
}

/** Fields after the name, which may hold anything but the last bracket: state, parent, … utime, stime, cutime, cstime. */
function rowOf(pid: number): Row | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    const ticks = fields.slice(11, 15).reduce((sum, field) => sum + Number(field), 0);
    return { pid, parent: Number(fields[1]), seconds: ticks * secondsPerTick };
  } catch {
    // It has ended in the meantime.
    return null;
  }
}

/** Processor time of a process and everything below it so far, in seconds: unlike elapsed time, others on the machine hardly change it. */
export function cpuSeconds(root: number): number {
  const rows = readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => rowOf(Number(name)) ?? []);
  const below = (pid: number): number =>
    rows.filter((row) => row.parent === pid).reduce((sum, row) => sum + row.seconds + below(row.pid), 0);
  return (rows.find((row) => row.pid === root)?.seconds ?? 0) + below(root);
}
