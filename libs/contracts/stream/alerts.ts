import Type, { type Static } from "typebox";
import { Count, Id, nullable, oneOf, record, Text, Time } from "../primitives.ts";

/** yellow: above half of a limit; orange: above three quarters; red: tripped or halted. */
export const alertLevels = ["yellow", "orange", "red"] as const;

/** One alert as it stands; a later one of the same id takes its place. */
export const Alert = record({
  /** The same for as long as its condition holds: what copies are told by. */
  id: Type.String({ pattern: "^[A-Za-z0-9_.:-]{1,200}$", title: "alert id" }),
  level: oneOf(...alertLevels),
  /** In lower_snake_case; its runbook is `docs/runbooks/<code>.md`. */
  code: Id,
  title: Text,
  /** What is shown together, as an instrument, an account or a shard. */
  group: Text,
  /** UTC ms; `until` null: it still holds. */
  since: Time,
  until: nullable(Time),
  /** How often its condition has been met. */
  count: Count,
  /** Who has seen it; null: nobody has. */
  ack: nullable(record({ by: Text, at: Time })),
  /** What a person needs to look it up; depends on `code`. */
  detail: Type.Unknown(),
});
export type Alert = Static<typeof Alert>;

/** `alerts`: those that hold, and those that ended and nobody has seen; by id. */
export const AlertsData = record({ alerts: Type.Record(Type.String(), Alert) });
export type AlertsData = Static<typeof AlertsData>;
