import fc from "fast-check";

type Json = null | boolean | number | string | Json[] | { [key: string]: Json };
type Place = { readonly holder: Json[] | { [key: string]: Json }; readonly key: string | number };

/** Every place of a JSON value that can be replaced or removed. */
function placesIn(value: Json): Place[] {
  if (typeof value !== "object" || value === null) return [];
  const keys = Array.isArray(value) ? value.map((_, at) => at) : Object.keys(value);
  return keys.flatMap((key) => {
    const inner = (value as Record<string | number, Json>)[key] as Json;
    return [{ holder: value, key }, ...placesIn(inner)];
  });
}

/** Values that readers of JSON have stumbled over. */
const hostile: readonly Json[] = [
  null,
  true,
  0,
  -1,
  1e300,
  2 ** 53,
  0.1,
  "",
  "0",
  "-1",
  "1e9",
  "NaN",
  "99999999999999999999.999999999999999999",
  "0.000000000000000001",
  "__proto__",
  "constructor",
  "insurance",
  "market",
  "a".repeat(65),
  "\ud800",
  "\u0000",
  [],
  {},
  [[]],
  ["1", "1"],
];
const keys = ["__proto__", "constructor", "toString", "id", "k", "t", "0", "a b", "price", "set", "tiers"];

const hostileValue: fc.Arbitrary<Json> = fc.oneof(
  fc.constantFrom(...hostile),
  fc.jsonValue({ maxDepth: 2 }) as fc.Arbitrary<Json>,
);

type Mutation = {
  readonly place: number;
  readonly what: "replace" | "remove" | "add" | "copy";
  readonly value: Json;
  readonly key: string;
};
const mutation: fc.Arbitrary<Mutation> = fc.record({
  place: fc.nat({ max: 100_000 }),
  what: fc.constantFrom("replace", "remove", "add", "copy"),
  value: hostileValue,
  key: fc.constantFrom(...keys),
});

/** Sets a key without ever reaching a prototype. */
function put(holder: Place["holder"], key: string | number, value: Json): void {
  Object.defineProperty(holder, key, { value, enumerable: true, configurable: true, writable: true });
}

function mutate(root: { root: Json }, { place, what, value: template, key }: Mutation): void {
  // A copy, because a later mutation may reach into it.
  const value = structuredClone(template);
  const places = placesIn(root);
  const chosen = places[place % places.length];
  if (chosen === undefined) return;
  const { holder, key: at } = chosen;
  if (what === "replace") put(holder, at, value);
  else if (what === "copy") put(holder, at, structuredClone(places[(place * 7 + 1) % places.length]?.holder ?? null));
  else if (what === "add") put(holder, Array.isArray(holder) ? holder.length : key, value);
  else if (Array.isArray(holder)) holder.splice(Number(at), 1);
  else delete holder[at];
}

/** A JSON value with up to `most` hostile changes anywhere in it. */
export function mutationsOf(value: unknown, most: number): fc.Arbitrary<unknown> {
  return fc.array(mutation, { minLength: 1, maxLength: most }).map((mutations) => {
    const root = { root: structuredClone(value) as Json };
    for (const one of mutations) mutate(root, one);
    return root.root;
  });
}

/** A text with up to `most` characters replaced, removed or put in. */
export function textMutationsOf(text: string, most: number): fc.Arbitrary<string> {
  const change = fc.record({
    at: fc.nat({ max: text.length }),
    cut: fc.nat({ max: 3 }),
    put: fc.constantFrom("", "{", "}", "[", "]", '"', ",", ":", "\\", "0", "e", "-", "\u0000", "\ud800", "\n"),
  });
  return fc
    .array(change, { minLength: 1, maxLength: most })
    .map((changes) =>
      changes.reduce((result, { at, cut, put: piece }) => result.slice(0, at) + piece + result.slice(at + cut), text),
    );
}
