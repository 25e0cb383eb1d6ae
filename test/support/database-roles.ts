import { openDatabase } from "#libs/adapters/postgres/index.ts";

/** The roles that migrations make, without their prefix. */
export const databaseRoles = [
  "margin",
  "liquidation",
  "scheduler",
  "mark_price",
  "api",
  "streams",
  "readonly",
] as const;
export type DatabaseRole = (typeof databaseRoles)[number];

const password = "ofatest";

/** The URL by which a process with this role's rights alone gets to a database that has the schema. */
export async function urlAs(role: DatabaseRole, url: string): Promise<string> {
  const db = openDatabase({ url, name: "roles", max: 1 });
  try {
    await db.query({ text: `ALTER ROLE plimsoll_${role} LOGIN PASSWORD '${password}'` });
  } finally {
    await db.close();
  }
  const own = new URL(url);
  own.username = `plimsoll_${role}`;
  own.password = password;
  return own.href;
}
