/** What the environment may say to a command line; each variable is read here and nowhere else. */
export interface Environment {
  /** https://no-color.org: set and not empty means no colours, whatever the terminal can do. */
  readonly noColor: boolean;
}

export function readEnvironment(variables: NodeJS.ProcessEnv = process.env): Environment {
  return { noColor: (variables["NO_COLOR"] ?? "") !== "" };
}
