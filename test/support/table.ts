/** One line of a rule table: the header's names to the cells' texts. */
export type Row<Column extends string = string> = Readonly<Record<Column, string>>;

type Trimmed<Text extends string> = Text extends ` ${infer Rest}` | `\n${infer Rest}` | `${infer Rest} `
  ? Trimmed<Rest>
  : Text;
type Cells<Line extends string> = Line extends `${infer Cell}|${infer Rest}`
  ? Trimmed<Cell> | Cells<Rest>
  : Trimmed<Line>;
type Header<Text extends string> = Trimmed<Text> extends `${infer Line}\n${string}` ? Line : string;

/** The column names in the first line of a literal text, so that a misspelt column does not compile. */
export type Columns<Text extends string> = Exclude<Cells<Header<Text>>, "">;

/**
 * Reads a table written with pipes into rows of trimmed strings.
 *
 * The first line is the header; empty lines, lines of dashes and lines that start with `#` are passed over, and
 * a pipe at either end of a line is optional. Throws, with the line's own text, when a line has more or fewer
 * cells than the header, when a column is unnamed or named twice, or when there is no row at all: a table that
 * tests nothing must not pass.
 *
 * The rows are typed by the header of a literal text; a text put together at run time needs its columns named,
 * as in `table<"rule" | "size">(text)`.
 */
export function table<const Text extends string>(text: Text): Row<Columns<Text>>[];
export function table<Column extends string>(text: string): Row<Column>[];
export function table(text: string): Row[] {
  const lines = text
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "" && !line.startsWith("#") && !/^[|\s:+-]+$/.test(line));
  const [header, ...body] = lines.map((line) => ({ line, cells: cellsOf(line) }));
  if (header === undefined || body.length === 0) throw new Error("a rule table needs a header and at least one row");
  const columns = header.cells;
  if (columns.some((column) => column === "") || new Set(columns).size !== columns.length) {
    throw new Error(`a rule table's columns need distinct names: ${header.line}`);
  }
  return body.map(({ line, cells }) => {
    if (cells.length !== columns.length) {
      throw new Error(`${cells.length} cells under ${columns.length} columns: ${line}`);
    }
    return Object.fromEntries(columns.map((column, at) => [column, cells[at] ?? ""]));
  });
}

function cellsOf(line: string): string[] {
  const inner = line.replace(/^\|/, "").replace(/\|$/, "");
  return inner.split("|").map((cell) => cell.trim());
}
