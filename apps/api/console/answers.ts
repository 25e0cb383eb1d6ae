import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { type ApiProblem, asProblem, get } from "./rest.ts";

export interface Answer<T> {
  readonly data: T | null;
  readonly problem: ApiProblem | null;
  readonly asking: boolean;
  /** Asks again; what is shown stays until the answer comes. */
  readonly again: () => void;
}

/** Asks the API for as long as the component is shown; null: asks nothing. Of several answers the last question's counts. */
export function useAnswer<T>(
  path: string | null,
  query: Readonly<Record<string, string | number | undefined>> = {},
): Answer<T> {
  const [state, setState] = useState<Omit<Answer<T>, "again">>({ data: null, problem: null, asking: path !== null });
  const turn = useRef(0);
  const key = `${path ?? ""}?${JSON.stringify(query)}`;
  const again = useCallback(() => {
    if (path === null) return;
    turn.current += 1;
    const mine = turn.current;
    setState((before) => ({ ...before, asking: true }));
    get<T>(path, query).then(
      (data) => mine === turn.current && setState({ data, problem: null, asking: false }),
      (thrown: unknown) =>
        mine === turn.current && setState((before) => ({ ...before, problem: asProblem(thrown), asking: false })),
    );
  }, [key]);
  useEffect(() => {
    setState({ data: null, problem: null, asking: path !== null });
    again();
    return () => void (turn.current += 1);
  }, [key]);
  return { ...state, again };
}
