/** Turns the pages of a list that is read newest first. */
export function Pager({
  pages,
  next,
  turn,
}: {
  /** Where each page begins that was turned to, the newest left out. */
  readonly pages: readonly string[];
  /** Where the page after this begins; null: there is none. */
  readonly next: string | null;
  readonly turn: (pages: readonly string[]) => void;
}) {
  return (
    <>
      <button class="small" disabled={pages.length === 0} onClick={() => turn(pages.slice(0, -1))}>
        Newer
      </button>
      <button class="small" disabled={next === null} onClick={() => next !== null && turn([...pages, next])}>
        Older
      </button>
    </>
  );
}
