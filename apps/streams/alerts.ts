import { readMessage } from "#libs/contracts/live/reading.ts";
import { Alert, type AlertsData } from "#libs/contracts/stream/alerts.ts";
import { limits } from "./limits.ts";

/** Largest message that is read, bytes. */
const sizeMax = 64 * 1024;

/** What a person has to look at: as it is kept, and from then on as `risk.alarm.<code>` says it. */
export class Alerts {
  readonly #alerts = new Map<string, Alert>();

  get state(): AlertsData {
    return { alerts: Object.fromEntries(this.#alerts) };
  }

  /** A message; false: it is no alert. Plain alarms come there too, and again as alerts. */
  hear(message: Uint8Array): boolean {
    const read = readMessage<Alert>(message, { sizeMax, schemaOf: () => Alert });
    if (read.ok) this.put(read.value);
    return read.ok;
  }

  /** In place of the one before. The newest are kept; one that is over and seen has gone. */
  put(alert: Alert): void {
    this.#alerts.delete(alert.id);
    if (alert.until !== null && alert.ack !== null) return;
    this.#alerts.set(alert.id, alert);
    const [oldest] = this.#alerts.keys();
    if (this.#alerts.size > limits.alerts && oldest !== undefined) this.#alerts.delete(oldest);
  }
}
