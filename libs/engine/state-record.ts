import { Rational } from "#libs/decimal/index.ts";

/** JSON of everything but the book: maps, exact numbers and big integers survive the round trip. */
type Plain = null | boolean | number | string | readonly Plain[] | { readonly [key: string]: Plain };

const rationalTag = "$rational";
const integerTag = "$integer";
const mapTag = "$map";

/** As JSON text, in the order in which things are kept, which is the same on every machine that applied the same log. */
export function recordText(value: unknown): string {
  return JSON.stringify(toPlain(value));
}

export function readRecord(text: string): unknown {
  return fromPlain(JSON.parse(text) as Plain);
}

function toPlain(value: unknown): Plain {
  if (value instanceof Rational) return { [rationalTag]: value.toString() };
  if (typeof value === "bigint") return { [integerTag]: value.toString() };
  if (value instanceof Map) return { [mapTag]: [...value].map(([key, one]) => [toPlain(key), toPlain(one)]) };
  if (Array.isArray(value)) return value.map(toPlain);
  if (value !== null && typeof value === "object")
    return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, toPlain(one)]));
  return value as Plain;
}

function fromPlain(value: Plain): unknown {
  if (Array.isArray(value)) return value.map((one) => fromPlain(one as Plain));
  if (value === null || typeof value !== "object") return value;
  const tagged = value as { readonly [key: string]: Plain };
  if (typeof tagged[rationalTag] === "string") return fractionOf(tagged[rationalTag]);
  if (typeof tagged[integerTag] === "string") return BigInt(tagged[integerTag]);
  const entries = tagged[mapTag];
  if (Array.isArray(entries))
    return new Map(
      (entries as readonly (readonly [Plain, Plain])[]).map(([key, one]) => [fromPlain(key), fromPlain(one)]),
    );
  return Object.fromEntries(Object.entries(tagged).map(([key, one]) => [key, fromPlain(one)]));
}

function fractionOf(text: string): Rational {
  const [numerator = "0", denominator = "1"] = text.split("/");
  return Rational.fraction(BigInt(numerator), BigInt(denominator));
}
