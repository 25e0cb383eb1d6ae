import { openSync, closeSync, readFileSync, rmSync, writeSync } from "node:fs";

/** Thrown where another live process holds the folder: two venues on one journal would both be wrong. */
export class FolderTaken extends Error {
  constructor(folder: string, pid: number) {
    super(`${folder} belongs to the running process ${pid}`);
    this.name = "FolderTaken";
  }
}

const alive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // Someone else's process answers "not permitted": it is there.
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
};

const triesMax = 3;

/** One process a folder. What a killed process left behind does not count. Answers how to let go of it. */
export function takeFolder(folder: string): () => void {
  const file = `${folder}/owner`;
  for (let tries = 0; ; tries += 1) {
    try {
      const handle = openSync(file, "wx");
      writeSync(handle, String(process.pid));
      closeSync(handle);
      return () => rmSync(file, { force: true });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST" || tries >= triesMax) throw error;
      const pid = Number(readFileSync(file, "utf8"));
      if (pid > 0 && pid !== process.pid && alive(pid)) throw new FolderTaken(folder, pid);
      rmSync(file, { force: true });
    }
  }
}
