import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import { root } from "./source.ts";

export interface ComposeService {
  readonly image: string;
  readonly build?: { readonly context: string; readonly dockerfile: string };
  readonly command?: readonly string[];
  readonly profiles?: readonly string[];
  readonly cap_drop?: readonly string[];
  readonly cap_add?: readonly string[];
  readonly security_opt?: readonly string[];
  readonly read_only?: boolean;
  readonly init?: boolean;
  readonly pids_limit?: number;
  readonly mem_limit?: string;
  readonly logging?: { readonly options: Readonly<Record<string, string>> };
  readonly ports?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  readonly healthcheck?: { readonly test?: readonly string[]; readonly disable?: boolean };
  readonly volumes?: readonly string[];
  readonly depends_on?: Readonly<Record<string, { readonly condition: string }>>;
}

export interface Compose {
  readonly services: Readonly<Record<string, ComposeService>>;
  readonly volumes: Readonly<Record<string, object>>;
}

export const dockerFolder = join(root, "docker");
export const dockerFile = (path: string): string => readFileSync(join(dockerFolder, path), "utf8");

/** docker/compose.yaml as it is, its variables not filled in. */
export const readCompose = (): Compose => parse(dockerFile("compose.yaml"), { merge: true }) as Compose;

/** The services that are our own image. */
export const ownServices = ({ services }: Compose): [string, ComposeService][] =>
  Object.entries(services).filter(([, { image }]) => image === "plimsoll");

const variable = /\$\{([A-Z_0-9]+)(?::([?-])([^}]*))?\}/g;

/** The variables of a text that must be given, in order, each once. */
export const requiredVariables = (text: string): string[] => [
  ...new Set([...text.matchAll(variable)].filter(([, , kind]) => kind === "?").map(([, name = ""]) => name)),
];

/** As the container engine does it: a given value, else the default; throws for one that must be given. */
export const fillIn = (text: string, values: Readonly<Record<string, string>>): string =>
  text.replaceAll(variable, (_all, name: string, kind: string | undefined, other: string | undefined) => {
    const value = values[name] ?? "";
    if (value !== "") return value;
    if (kind === "?") throw new Error(`${name} is not given`);
    return other ?? "";
  });

/** The lines `NAME=value` of a file for the engine. */
export const readEnvFile = (path: string): Record<string, string> =>
  Object.fromEntries(
    dockerFile(path)
      .split("\n")
      .filter((line) => line !== "" && !line.startsWith("#"))
      .map((line) => [line.slice(0, line.indexOf("=")), line.slice(line.indexOf("=") + 1)]),
  );
