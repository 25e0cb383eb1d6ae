import Type, { type Static } from "typebox";
import { amountPattern } from "#libs/decimal/index.ts";
import { idPattern, textPattern } from "./patterns.ts";

/** The bound of a string schema: its pattern, and in a word what it stands for, so that a refusal can say so. */
export const Id = Type.String({ pattern: idPattern.source, title: "id" });
/** Amounts, prices and rates are decimal strings, never JSON numbers. */
export const Amount = Type.String({ pattern: amountPattern.source, title: "amount" });
/** UTC ms. */
export const Time = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER });
/** A duration, ms. */
export const Duration = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER });
export const Count = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER });

const closed = { additionalProperties: false } as const;

/** An object with these keys and no others. */
export const record = <const P extends Type.TProperties>(properties: P) => Type.Object(properties, closed);
/** An object from ids to values of one shape. */
export const byId = <const S extends Type.TSchema>(value: S) => Type.Record(Id, value, closed);
export const oneOf = <const V extends string>(...values: V[]): Type.TEnum<V[]> => Type.Enum(values);
export const maybe = <const S extends Type.TSchema>(schema: S) => Type.Optional(schema);
export const nullable = <const S extends Type.TSchema>(schema: S) =>
  Type.Unsafe<Static<S> | null>({ anyOf: [schema, { type: "null" }] });

/** For people. */
export const Text = Type.String({ pattern: textPattern.source, title: "text" });
/** W3C `traceparent`. */
export const Trace = Type.String({ pattern: "^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$", title: "trace" });
