import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";

export interface Column<Row> {
  readonly name: string;
  readonly cell: (row: Row) => ComponentChildren;
  /** Numbers stand at the right. */
  readonly number?: boolean;
  /** What rows are put in order by when its head is chosen; below zero: `a` stands first. */
  readonly order?: (a: Row, b: Row) => number;
  /** Sentences, which may take several lines. */
  readonly text?: boolean;
  /** Left out where there is little room. */
  readonly wide?: boolean;
}

const rowsAtOnce = 100;

/** A table that is sorted by its heads. The first column names the row. */
export function Table<Row>(props: {
  readonly caption: string;
  readonly columns: readonly Column<Row>[];
  readonly rows: readonly Row[];
  readonly keyOf: (row: Row) => string;
  readonly none: string;
  readonly toneOf?: (row: Row) => string;
  /** Rows that are shown at first; more by a button. */
  readonly atOnce?: number;
  /** Scrolls by itself beyond a screen's half. */
  readonly tall?: boolean;
}) {
  const [sorted, setSorted] = useState<{ readonly at: number; readonly down: boolean } | null>(null);
  const [shown, setShown] = useState(props.atOnce ?? rowsAtOnce);
  if (props.rows.length === 0) return <p class="nothing">{props.none}</p>;
  const order = sorted === null ? undefined : props.columns[sorted.at]?.order;
  const rows =
    order === undefined
      ? props.rows
      : [...props.rows].sort((a, b) => (sorted?.down === true ? order(b, a) : order(a, b)));
  return (
    <div class={props.tall === true ? "scroll tall" : "scroll"} tabIndex={0} role="region" aria-label={props.caption}>
      <table>
        <caption class="unseen">{props.caption}</caption>
        <thead>
          <tr>
            {props.columns.map((column, at) => (
              <Head
                key={column.name}
                column={column}
                down={sorted?.at === at ? sorted.down : null}
                choose={() => setSorted({ at, down: sorted?.at === at ? !sorted.down : true })}
              />
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.slice(0, shown).map((row) => (
            <tr key={props.keyOf(row)} class={props.toneOf?.(row) ?? ""}>
              {props.columns.map((column, at) => (
                <Cell key={column.name} first={at === 0} class={classOf(column)}>
                  {column.cell(row)}
                </Cell>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
      {rows.length > shown ? (
        <button class="small" onClick={() => setShown(shown + rowsAtOnce)}>
          {rows.length - shown} more
        </button>
      ) : null}
    </div>
  );
}

const classOf = ({ number, text, wide }: Pick<Column<never>, "number" | "text" | "wide">): string =>
  [number === true ? "number" : "", text === true ? "text" : "", wide === true ? "wide" : ""].join(" ").trim();

function Cell(props: { readonly first: boolean; readonly class: string; readonly children: ComponentChildren }) {
  if (!props.first) return <td class={props.class}>{props.children}</td>;
  return (
    <th scope="row" class={props.class}>
      {props.children}
    </th>
  );
}

function Head<Row>(props: {
  readonly column: Column<Row>;
  readonly down: boolean | null;
  readonly choose: () => void;
}) {
  const { column, down } = props;
  const direction = down === null ? "none" : down ? "descending" : "ascending";
  if (column.order === undefined)
    return (
      <th scope="col" class={classOf(column)}>
        {column.name}
      </th>
    );
  return (
    <th scope="col" class={classOf(column)} aria-sort={direction}>
      <button class="head" onClick={props.choose}>
        {column.name}
        <span aria-hidden="true">{down === null ? "" : down ? " ↓" : " ↑"}</span>
      </button>
    </th>
  );
}
