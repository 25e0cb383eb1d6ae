export { jobStates, openQueue, upsertSchedule } from "./queue.ts";
export type { AddOptions, JobQueue, JobsLink, JobsOptions, JobState } from "./queue.ts";
export { KeptQueues } from "./kept-queues.ts";
export { openWorker } from "./worker.ts";
export type { Job, JobFailure, JobWorker, WorkerOptions } from "./worker.ts";
