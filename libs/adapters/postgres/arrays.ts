/**
 * Array literals for `unnest`, written in one go: the driver escapes element by element, which costs more than the server's
 * whole work on a batch.
 */
const needsEscape = /["\\]/;
const numberList = /^[-0-9.,]*$/;

const escaped = (text: string): string => (needsEscape.test(text) ? text.replace(/["\\]/g, "\\$&") : text);

/** Text elements, always quoted: an account may be called NULL. */
export function textArray(values: readonly string[]): string {
  if (values.length === 0) return "{}";
  const elements = values.some((one) => needsEscape.test(one)) ? values.map(escaped) : values;
  return `{"${elements.join('","')}"}`;
}

/** As `textArray`, with SQL NULL for null. */
export function nullableTextArray(values: readonly (string | null)[]): string {
  const elements = values.map((one) => (one === null ? "NULL" : `"${escaped(one)}"`));
  return `{${elements.join(",")}}`;
}

/** Decimal strings or safe integers. Throws RangeError for anything else: no NaN, exponent or blank gets to the server. */
export function numberArray(values: readonly (string | number)[]): string {
  const joined = values.join(",");
  if (!numberList.test(joined)) throw new RangeError(`not decimal numbers: ${joined.slice(0, 80)}`);
  return `{${joined}}`;
}

/** bytea in SQL's own hex form, inside an array. */
export const byteaArray = (values: readonly Uint8Array[]): string =>
  `{${values.map((one) => `"\\\\x${Buffer.from(one).toString("hex")}"`).join(",")}}`;

export const fromHex = (hex: string): Buffer => {
  if (!/^([0-9a-f]{2})*$/.test(hex)) throw new RangeError("not lower-case hex");
  return Buffer.from(hex, "hex");
};

/** The last row of each key, in order of the keys' characters, so that writers of the same rows meet in one order. */
export function lastOfEach<T>(rows: readonly T[], ...keys: readonly (keyof T)[]): T[] {
  const order = (left: T, right: T): number => {
    for (const key of keys) if (left[key] !== right[key]) return left[key] < right[key] ? -1 : 1;
    return 0;
  };
  // Equal ones stay in their order.
  const sorted = rows.toSorted(order);
  return sorted.filter((row, at) => at + 1 === sorted.length || order(row, sorted[at + 1] as T) !== 0);
}
