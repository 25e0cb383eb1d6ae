import { readdirSync, readFileSync } from "node:fs";
import { join, posix, relative, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { parseAst } from "vitest/node";

/** The repository's own root, absolute. */
export const root = fileURLToPath(new URL("../..", import.meta.url));

/** A node of the syntax tree, as far as these tests look into it. */
export type Node = { readonly type: string; readonly start: number; readonly end: number } & {
  readonly [field: string]: unknown;
};

/** One TypeScript file of the repository; `path` is relative to the root, with forward slashes. */
export type Source = { readonly path: string; readonly text: string; readonly tree: Node };

/** One import or re-export; `typeOnly` when nothing of it is left at run time. */
export type Import = { readonly specifier: string; readonly typeOnly: boolean; readonly line: number };

/** Not the repository's own; `.git` is a file in a linked worktree. */
const unread = new Set(["node_modules", ".git", "coverage"]);

/** Every file of the given folders (of the whole repository for "."), sorted; a folder that is missing is empty. */
export function filesUnder(...folders: readonly string[]): string[] {
  const found: string[] = [];
  const visit = (folder: string): void => {
    for (const entry of readdirSync(folder, { withFileTypes: true })) {
      const path = join(folder, entry.name);
      if (unread.has(entry.name)) continue;
      if (entry.isDirectory()) visit(path);
      else if (entry.isFile()) found.push(relative(root, path).split(sep).join("/"));
    }
  };
  for (const folder of folders) {
    const path = join(root, folder);
    if (readdirSync(root).includes(folder) || folder === ".") visit(path);
  }
  return found.sort();
}

/** The text of a file, by its path from the root. */
export const readText = (path: string): string => readFileSync(join(root, path), "utf8");

/** Reads a module from its text; throws on a syntax error. */
export function parseSource(path: string, text: string): Source {
  const lang = path.endsWith(".tsx") ? "tsx" : "ts";
  return { path, text, tree: parseAst(text, { lang }) as unknown as Node };
}

/** Every TypeScript module of the given top-level folders, parsed. */
export function sourcesUnder(...folders: readonly string[]): Source[] {
  return filesUnder(...folders)
    .filter((path) => /\.tsx?$/.test(path))
    .map((path) => parseSource(path, readText(path)));
}

const isNode = (value: unknown): value is Node =>
  typeof value === "object" && value !== null && typeof (value as { type?: unknown }).type === "string";

/** Calls `visit` for every node below and including `node`, parents first, with the nodes it stands in, nearest last. */
export function walk(
  node: Node,
  visit: (node: Node, ancestors: readonly Node[]) => void,
  ancestors: readonly Node[] = [],
): void {
  visit(node, ancestors);
  const within = [...ancestors, node];
  for (const value of Object.values(node)) {
    for (const child of Array.isArray(value) ? value : [value]) if (isNode(child)) walk(child, visit, within);
  }
}

/** The line, counted from one, of an offset into the text. */
export const lineAt = (text: string, offset: number): number => text.slice(0, offset).split("\n").length;

const typeOnlyImports = new Set(["ImportDeclaration", "ExportNamedDeclaration", "ExportAllDeclaration"]);

/** Every module a source names: imports, re-exports, `import()` and type queries; throws when a name is computed. */
export function importsOf(source: Source): Import[] {
  const imports: Import[] = [];
  walk(source.tree, (node) => {
    const dynamic = node.type === "ImportExpression" || node.type === "TSImportType";
    if (!dynamic && !typeOnlyImports.has(node.type) && node.type !== "TSExternalModuleReference") return;
    const from = (node["source"] ?? node["argument"] ?? node["expression"]) as Node | null;
    if (!isNode(from)) return;
    const literal = from.type === "TSLiteralType" ? (from["literal"] as Node) : from;
    const line = lineAt(source.text, node.start);
    if (typeof literal["value"] !== "string") throw new Error(`${source.path}:${line} imports a computed name`);
    imports.push({ specifier: literal["value"], typeOnly: onlyTypes(node), line });
  });
  return imports;
}

function onlyTypes(node: Node): boolean {
  if (node.type === "TSImportType") return true;
  // `import { type A } from` still loads the module under verbatimModuleSyntax, so only the statement's kind counts.
  return node["importKind"] === "type" || node["exportKind"] === "type";
}

/** Where a specifier leads: a path from the root for the repository's own modules, else the package's or builtin's name. */
export function target(path: string, specifier: string): string {
  if (specifier.startsWith(".")) return posix.normalize(posix.join(posix.dirname(path), specifier));
  if (specifier.startsWith("#")) return posix.normalize(specifier.slice(1));
  if (specifier.startsWith("node:")) return specifier;
  const parts = specifier.split("/");
  return specifier.startsWith("@") ? parts.slice(0, 2).join("/") : (parts[0] ?? specifier);
}
