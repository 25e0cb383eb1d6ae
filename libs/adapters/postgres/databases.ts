import { Client } from "pg";
import { databaseError } from "./errors.ts";

const namePattern = /^[a-z_][a-z0-9_]{0,62}$/;
const connectMs = 5_000;

/** Creates a database on the server of `url` and gives the URL of it. Throws for a name that is none, or is taken. */
export async function createDatabase(url: string, name: string): Promise<string> {
  await onServer(url, `CREATE DATABASE ${checked(name)} TEMPLATE template0`);
  const own = new URL(url);
  own.pathname = `/${name}`;
  return own.href;
}

/** Removes a database that this deployment made; those who still use it are cut off. */
export async function dropDatabase(url: string, name: string): Promise<void> {
  await onServer(url, `DROP DATABASE IF EXISTS ${checked(name)} WITH (FORCE)`);
}

/** A name cannot be a parameter of a statement, so it must not be able to say anything else. */
function checked(name: string): string {
  if (!namePattern.test(name)) throw new RangeError(`${name} is not a database's name`);
  return name;
}

async function onServer(url: string, statement: string): Promise<void> {
  const client = new Client({ connectionString: url, connectionTimeoutMillis: connectMs, keepAlive: true });
  try {
    await client.connect();
    await client.query(statement);
  } catch (error) {
    throw databaseError(error, false);
  } finally {
    await client.end().catch(() => {});
  }
}
