import { useEffect, useRef } from "preact/hooks";

export interface Points {
  readonly x: number[];
  readonly y: (number | null)[];
}

const pointsMax = 900;
/** Of this page's clock. */
const everyMs = 400;
const kept = new Map<string, Points>();
const keptMax = 20;

/**
 * What a value was since this page first showed it; drawn, so floats. `key`: whose value it is; it is kept while the page lives,
 * for as many keys as were shown last.
 */
export function useHistory(key: string, t: number | null, value: number | null): Points {
  const points = useRef<Points>(pointsOf(key));
  const addedAt = useRef(Number.NEGATIVE_INFINITY);
  useEffect(() => {
    points.current = pointsOf(key);
  }, [key]);
  const { x, y } = points.current;
  if (t !== null && t > (x.at(-1) ?? 0) && performance.now() - addedAt.current >= everyMs) {
    addedAt.current = performance.now();
    x.push(t);
    y.push(value);
    if (x.length > pointsMax) {
      x.shift();
      y.shift();
    }
    points.current = { x: [...x], y: [...y] };
    kept.set(key, points.current);
  }
  return points.current;
}

function pointsOf(key: string): Points {
  const known = kept.get(key) ?? { x: [], y: [] };
  kept.delete(key);
  kept.set(key, known);
  const [oldest] = kept.keys();
  if (kept.size > keptMax && oldest !== undefined) kept.delete(oldest);
  return known;
}
