/** Texts that are no message at any border, whoever sends them; what each border makes of them is its own business. */
export const hostileTexts: readonly (readonly [what: string, text: string])[] = [
  ["nothing", ""],
  ["no JSON", "{"],
  ["null", "null"],
  ["a list", "[]"],
  ["a deep list", `${"[".repeat(5_000)}${"]".repeat(5_000)}`],
  ["a deep nest", `${'{"a":'.repeat(100)}1${"}".repeat(100)}`],
  ["an operation of the prototype", '{"op":"__proto__","id":"1"}'],
  ["a prototype", '{"__proto__":{"roles":["admin"]},"op":"ping","id":"1"}'],
  ["a constructor", '{"constructor":{"prototype":{"roles":["admin"]}},"op":"ping","id":"1"}'],
  ["a key twice", '{"op":"ping","op":"ping","id":"1"}'],
  ["a number for a text", '{"op":"ping","id":1}'],
];
