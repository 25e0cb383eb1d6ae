import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pg from "pg";
import { expect, test } from "vitest";
import { freePort, startNats, startPostgres, startRedis } from "#libs/process/servers/index.ts";
import { privatePostgres } from "#test/support/servers.ts";

const kinds = { nats: startNats, redis: startRedis, postgres: startPostgres } as const;

for (const [name, start] of Object.entries(kinds)) {
  test(`${name}: a private server says who it is, is killed, comes back on its port and leaves nothing`, async () => {
    const [one, other] = await Promise.all([start(), start()]);
    try {
      expect(one.identity).not.toBe("");
      expect(one.identity).not.toBe(other.identity);
      expect(one.port).not.toBe(other.port);
      const { pid, port } = one;
      await one.kill();
      expect(one.running).toBe(false);
      expect(() => process.kill(pid, 0)).toThrow("ESRCH");
      await one.restart();
      expect([one.port, one.running]).toEqual([port, true]);
      expect(one.pid).not.toBe(pid);
    } finally {
      await Promise.all([one.stop(), other.stop()]);
    }
    expect([one.running, existsSync(one.folder), existsSync(other.folder)]).toEqual([false, false, false]);
  });
}

test("a port that someone else holds is an error that says so, never a talk with that one", async () => {
  const port = await freePort();
  const holder = createServer();
  await new Promise<void>((resolve) => {
    holder.listen(port, "127.0.0.1", resolve);
  });
  try {
    await expect(startRedis({ port })).rejects.toThrow("port is taken");
    await expect(startNats({ port })).rejects.toThrow("port is taken");
  } finally {
    holder.close();
  }
});

test("data in a given folder stays", async () => {
  const dir = mkdtempSync(join(tmpdir(), "plimsoll-kept-"));
  try {
    const first = await startPostgres({ dir, fsync: false });
    const { identity } = first;
    await first.createDatabase("kept");
    await first.stop();
    expect(existsSync(dir)).toBe(true);
    const second = await startPostgres({ dir, fsync: false });
    try {
      expect(second.identity).toBe(identity);
      await expect(second.createDatabase("kept")).rejects.toThrow("already exists");
    } finally {
      await second.stop();
    }
  } finally {
    rmSync(dir, { recursive: true });
  }
});

test("each caller has a database of its own, filled as the template says", async () => {
  let filled = 0;
  const fill = async (url: string): Promise<void> => {
    filled += 1;
    await query(url, "CREATE TABLE t (v int); INSERT INTO t VALUES (7)");
  };
  const [a, b] = await Promise.all([
    privatePostgres({ name: "sevens", fill }),
    privatePostgres({ name: "sevens", fill }),
  ]);
  await query(a.url, "UPDATE t SET v = 8");
  expect([await query(a.url, "SELECT v FROM t"), await query(b.url, "SELECT v FROM t")]).toEqual([
    [{ v: 8 }],
    [{ v: 7 }],
  ]);
  expect(filled).toBe(1);
  const [row] = await query(b.url, "SELECT system_identifier::text AS id FROM pg_control_system()");
  expect(row).toEqual({ id: b.cluster.identity });
});

async function query(url: string, sql: string): Promise<unknown[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query<Record<string, unknown>>(sql)).rows;
  } finally {
    await client.end();
  }
}
