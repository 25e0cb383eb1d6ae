/** A window slides in so many equal steps: that is the rule, not an approximation of one. */
export const bucketCount = 20;

/** What has been counted of late; immutable and plain, so that a state can hold it. Amounts in whole units. */
export interface SlidingWindow {
  /** Number of the newest bucket: time divided by its length, rounded down. */
  readonly bucket: number;
  /** The newest last; at most `bucketCount`. */
  readonly sums: readonly bigint[];
}

export const emptyWindow: SlidingWindow = { bucket: 0, sums: [] };

/** LIM-09: the bucket of a time. Both in ms. */
export const bucketAt = (t: number, windowMs: number): number => Math.floor((t * bucketCount) / windowMs);

/** The sums as they stand in `bucket`: buckets that have passed since are empty, those older than the window gone. */
function sumsAt(window: SlidingWindow, bucket: number): readonly bigint[] {
  const passed = bucket - window.bucket;
  if (passed <= 0) return window.sums;
  if (passed >= bucketCount || window.sums.length === 0) return [];
  const empty = Array.from({ length: passed }, () => 0n);
  return [...window.sums, ...empty].slice(-bucketCount);
}

/** The window with an amount added at `t`; an earlier time than the newest counts as that. */
export function counted(window: SlidingWindow, windowMs: number, t: number, amount: bigint): SlidingWindow {
  const bucket = Math.max(window.bucket, bucketAt(t, windowMs));
  const sums = sumsAt(window, bucket);
  const newest = (sums.at(-1) ?? 0n) + amount;
  return { bucket, sums: sums.length === 0 ? [newest] : [...sums.slice(0, -1), newest] };
}

/** What the window holds at `t`. */
export function sumAt(window: SlidingWindow, windowMs: number, t: number): bigint {
  return sumsAt(window, Math.max(window.bucket, bucketAt(t, windowMs))).reduce((sum, one) => sum + one, 0n);
}
