import { isZero } from "../amounts.ts";
import { exact } from "../format.ts";
import { Figure, Figures } from "../parts/basics.tsx";
import { Freshness } from "../parts/freshness.tsx";
import { Table } from "../parts/table.tsx";
import { hrefOf } from "../routes.ts";
import { commandFigures, headOfQueue, type Taken } from "./figures.ts";
import { useKnown } from "./known.ts";
import type { Payload } from "./operations.ts";
import { commandSentence } from "./sentences.ts";

/** What a command does, in words and in figures as things stand: the same to who sends it and to who approves it. */
export function Preview(props: {
  readonly operation: string;
  readonly payload: Payload;
  /** Whether it is all filled in: half a sentence is none. */
  readonly complete: boolean;
  /** It has been carried out: what would come of it once more is of no use. */
  readonly over?: boolean;
}) {
  const { operation, payload, complete, over = false } = props;
  const { known, seen } = useKnown(operation, payload);
  const figures = over ? [] : commandFigures(operation, payload, known);
  const queue = operation === "deleverage" && !over ? headOfQueue(payload, known) : null;
  return (
    <section class="preview" aria-label="What it does">
      <p class="does" aria-live="polite">
        {complete ? commandSentence(operation, payload) : "What it does is said here once it is filled in."}
      </p>
      {figures.length === 0 ? null : (
        <Figures>
          {figures.map((figure) => (
            <Figure key={figure.name} {...figure} />
          ))}
        </Figures>
      )}
      {queue === null ? null : <Queue rows={queue} />}
      {figures.length === 0 ? null : <Freshness of={seen} />}
    </section>
  );
}

const lost = (takes: string | null): string => (takes === null ? "by policy" : isZero(takes) ? "–" : exact(takes));

const Queue = ({ rows }: { readonly rows: readonly Taken[] }) => (
  <Table
    caption="Whom it would close against, as the queue stands"
    columns={[
      { name: "Against", cell: ({ account }) => <a href={hrefOf("account", account)}>{account}</a> },
      { name: "Rank", number: true, cell: ({ rank }) => String(rank) },
      { name: "Holds", number: true, cell: ({ holds }) => exact(holds) },
      { name: "Loses", number: true, cell: ({ takes }) => <b>{lost(takes)}</b> },
    ]}
    rows={rows}
    keyOf={({ account, rank }) => `${account} ${rank}`}
    none="Nobody holds the other side: it will be refused."
  />
);
