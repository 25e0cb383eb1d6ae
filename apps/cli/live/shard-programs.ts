import type { Program } from "./processes.ts";

/** Names of the processes of a shard, in a run of one shard or many. */
export const leaderName = (shard: string): string => `margin-${shard}`;
export const followerName = (shard: string): string => `margin-follower-${shard}`;

const settingsOf = (shard: string): Readonly<Record<string, string>> => ({ PLIMSOLL_SHARD: shard });

export const leaderOf = (shard: string): Program => ({
  name: leaderName(shard),
  app: "margin",
  settings: settingsOf(shard),
  ready: "listening",
});

export const followerOf = (shard: string): Program => ({
  name: followerName(shard),
  app: "margin",
  arguments: ["follower"],
  settings: settingsOf(shard),
  ready: "listening",
});
