/** What the environment may say to a command line; each variable is read here and nowhere else. */
export interface Environment {
  /** https://no-color.org: set and not empty means no colours, whatever the terminal can do. */
  readonly noColor: boolean;
}

export function readEnvironment(variables: NodeJS.ProcessEnv = process.env): Environment {
  return { noColor: (variables["NO_COLOR"] ?? "") !== "" };
}

/** Servers that a command is to use instead of starting its own; null: not given. */
export interface ServerUrls {
  readonly nats: string | null;
  readonly redis: string | null;
  readonly database: string | null;
}

export function readServerUrls(variables: NodeJS.ProcessEnv = process.env): ServerUrls {
  const given = (name: string): string | null => (variables[name] ?? "") || null;
  return { nats: given("NATS_URL"), redis: given("REDIS_URL"), database: given("DATABASE_URL") };
}
