export { connectBus } from "./bus.ts";
export type { Bus, BusMessage, BusOptions, Subscription } from "./bus.ts";
export { deadLetter } from "./dead-letters.ts";
export type { DeadLetter } from "./dead-letters.ts";
export { openEntryWriter } from "./entry-writer.ts";
export type { EntryWriter, EntryWriterOptions, Written } from "./entry-writer.ts";
export {
  BusClosed,
  BusError,
  BusOverloaded,
  BusRefused,
  BusTimeout,
  NoResponders,
  StreamMismatch,
  Unanswered,
  WriterClosed,
  WriterFull,
} from "./errors.ts";
export { type FactTexts, lastPublishedFact, publishFacts } from "./facts.ts";
export { openFactReader, openLogReader } from "./log-reader.ts";
export type { LogMessage, LogReader } from "./log-reader.ts";
export { openService } from "./service.ts";
export type { RunningService, ServiceEndpoint, ServiceOptions } from "./service.ts";
export { storeMessage } from "./stored-message.ts";
export {
  ensureStreams,
  firstSince,
  lastEntry,
  messageAt,
  removeStreams,
  nextEntry,
  streamPlaces,
  streamLimits,
  streamState,
  trimLog,
} from "./streams.ts";
export type { StreamLimits, StreamOptions, StreamPlace, StreamState } from "./streams.ts";
