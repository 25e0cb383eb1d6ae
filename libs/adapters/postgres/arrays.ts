/**
 * Array literals for `unnest`, written in one go: the driver escapes element by element, which costs more than the server's
 * whole work on a batch.
 */
const needsEscape = /["\\]/;
const numberList = /^[-0-9.,]*$/;

/** Text elements, always quoted: an account may be called NULL. */
export function textArray(values: readonly string[]): string {
  if (values.length === 0) return "{}";
  const joined = values.join("");
  const elements = needsEscape.test(joined) ? values.map((one) => one.replace(/["\\]/g, "\\$&")) : values;
  return `{"${elements.join('","')}"}`;
}

/** As `textArray`, with SQL NULL for null. */
export function nullableTextArray(values: readonly (string | null)[]): string {
  return `{${values.map((one) => (one === null ? "NULL" : `"${one.replace(/["\\]/g, "\\$&")}"`)).join(",")}}`;
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

/** The last of each key, in the order of the keys, so that writers of the same rows meet in one order. */
export function lastOfEach<T>(rows: readonly T[], key: (row: T) => string): T[] {
  const last = new Map<string, T>();
  for (const row of rows) last.set(key(row), row);
  return [...last.entries()].sort(([left], [right]) => (left < right ? -1 : 1)).map(([, row]) => row);
}
