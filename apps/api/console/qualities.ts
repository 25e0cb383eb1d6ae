/** Price qualities, by how serious they are. */
export const qualityTone = { good: "good", stale: "watch", disputed: "warn", invalid: "bad" } as const;
