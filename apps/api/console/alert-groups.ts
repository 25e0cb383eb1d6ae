import type { Alert } from "#libs/contracts/stream/alerts.ts";

const severity = { red: 0, orange: 1, yellow: 2 } as const;

/** Alerts that hold before those that are over, unseen before seen, the worst and newest first. */
const order = (a: Alert, b: Alert): number =>
  Number(a.until !== null) - Number(b.until !== null) ||
  severity[a.level] - severity[b.level] ||
  Number(a.ack !== null) - Number(b.ack !== null) ||
  b.since - a.since ||
  (a.id < b.id ? -1 : 1);

/** Groups with what is in them, in the order of their worst. */
export function asAlerts(alerts: readonly Alert[]): readonly (readonly [group: string, members: readonly Alert[]])[] {
  const groups = new Map<string, Alert[]>();
  for (const alert of [...alerts].sort(order)) groups.set(alert.group, [...(groups.get(alert.group) ?? []), alert]);
  return [...groups];
}
