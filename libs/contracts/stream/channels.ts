import type { FieldSorts } from "./state.ts";

/** Who may read a channel: its account's owner and who may see everything; everybody who has logged in; who may see everything. */
export type Audience = "account" | "public" | "operators";

export interface ChannelKind extends FieldSorts {
  readonly audience: Audience;
  /** What follows the point of the channel's name; null: nothing does. */
  readonly of: "account" | "instrument" | null;
}

/** How many of the newest items of a log both ends keep. */
export const logsKept = { events: 50, facts: 200 } as const;

const kind = (
  audience: Audience,
  of: ChannelKind["of"],
  tables: readonly string[],
  logs: FieldSorts["logs"] = {},
): ChannelKind => ({
  audience,
  of,
  tables,
  logs,
});
const events = { events: logsKept.events };

/** Every channel: the first part of its name, who may read it, and the sorts of its fields. */
export const channelKinds = {
  margin: kind("account", "account", ["collateral", "positions", "halts"], events),
  positions: kind("account", "account", ["positions"]),
  orders: kind("account", "account", ["orders"], events),
  liquidations: kind("account", "account", ["liquidations"], events),
  adl: kind("account", "account", ["positions"], events),
  marks: kind("public", null, ["marks", "indices"]),
  funding: kind("public", null, ["funding"]),
  halts: kind("public", null, ["halts"]),
  fund: kind("public", null, ["funds"]),
  overview: kind("operators", null, ["pools", "stages", "funds", "marks", "halts", "latencies", "shards"]),
  sagas: kind("operators", null, ["sagas"], events),
  alerts: kind("operators", null, ["alerts"]),
  instrument: kind("operators", "instrument", []),
  facts: kind("operators", null, [], { facts: logsKept.facts }),
} as const satisfies Readonly<Record<string, ChannelKind>>;

export type ChannelName = keyof typeof channelKinds;

export interface Channel {
  readonly name: ChannelName;
  /** The account or the instrument; null: it is of none. */
  readonly id: string | null;
}

const pattern = /^([a-z]{1,16})(?:\.([A-Za-z0-9_-]{1,64}))?$/;

/** Reads `margin.<account>`, `marks` and the like; null: there is no such channel. */
export function parseChannel(text: string): Channel | null {
  const [, name = "", id = null] = pattern.exec(text) ?? [];
  if (!Object.hasOwn(channelKinds, name)) return null;
  const known = name as ChannelName;
  return (channelKinds[known].of === null) === (id === null) ? { name: known, id } : null;
}
