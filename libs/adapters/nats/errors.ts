/** What a request on the bus may end with; each is a refusal to whoever asked. */
export class BusError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
  }
}

/** No answer in time: whether the other side acted is unknown. */
export class BusTimeout extends BusError {}

/** Nobody listens on the subject: nothing happened. */
export class NoResponders extends BusError {}

/** The connection is closed for good. */
export class BusClosed extends BusError {}

/** More requests wait for answers than this process allows itself. */
export class BusOverloaded extends BusError {}

/** The other side answered with an error. Thrown by a handler, its code and text travel to whoever asked. */
export class BusRefused extends BusError {
  readonly code: number;
  readonly text: string;
  readonly body: unknown;

  constructor(code: number, text: string, body: unknown = { error: { code, text } }) {
    super(`${code} ${text}`);
    this.code = code;
    this.text = text;
    this.body = body;
  }
}

/** Thrown by a handler that leaves the answer to somebody else: whoever asked hears nothing from here. */
export class Unanswered extends BusError {}

/** The stream is another than before, or ends before what was already read: only an operator can say what is true. */
export class StreamMismatch extends BusError {}

/** The writer holds as many unacknowledged entries as it may. */
export class WriterFull extends BusError {}

/** The writer was closed before the entry was acknowledged: whether it is stored is unknown. */
export class WriterClosed extends BusError {}
