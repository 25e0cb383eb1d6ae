import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from "prom-client";
import { Labelled } from "./labelled.ts";
import type { CounterChild, GaugeChild, HistogramChild } from "./labelled.ts";

export type Metrics = ReturnType<typeof createMetrics>;

/** Seconds. Checks take tens of microseconds; over the network, milliseconds. */
const fast = [
  0.000_01, 0.000_025, 0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5,
];
const slow = [0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];
/** Of a price, below zero in who traded's favour. */
const shares = [-0.01, -0.001, 0, 0.000_1, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.02, 0.05, 0.1];
const sizes = [1, 2, 5, 10, 25, 50, 100, 250, 500, 1000];

/**
 * One registry of a process, with every metric of the backend declared once. Without labels a metric is counted directly
 * (`metrics.shardEpoch.set(3)`), with labels by `with` (`metrics.riskChecks.with("reject", "notional").inc()`).
 */
export function createMetrics(app: string) {
  const registry = new Registry();
  registry.setDefaultLabels({ app });
  collectDefaultMetrics({ register: registry });
  const make = makers(registry);
  return {
    registry,
    ...preTradeMetrics(make),
    ...liquidationMetrics(make),
    ...engineMetrics(make),
    ...shardMetrics(make),
    ...priceMetrics(make),
    ...deliveryMetrics(make),
    ...streamMetrics(make),
    ...interfaceMetrics(make),
  };
}

type Makers = ReturnType<typeof makers>;

function makers(registry: Registry) {
  const registers = [registry];
  return {
    counter: (name: string, help: string): CounterChild => new Counter({ name, help, registers }).labels(),
    gauge: (name: string, help: string): GaugeChild => new Gauge({ name, help, registers }).labels(),
    histogram: (name: string, help: string, buckets: number[]): HistogramChild =>
      new Histogram({ name, help, buckets, registers }).labels({}),
    counters: (name: string, help: string, ...labelNames: string[]): Labelled<CounterChild> => {
      const metric = new Counter({ name, help, labelNames, registers });
      return new Labelled(
        labelNames,
        (labels) => metric.labels(labels),
        (labels) => metric.remove(labels),
      );
    },
    gauges: (name: string, help: string, ...labelNames: string[]): Labelled<GaugeChild> => {
      const metric = new Gauge({ name, help, labelNames, registers });
      return new Labelled(
        labelNames,
        (labels) => metric.labels(labels),
        (labels) => metric.remove(labels),
      );
    },
    histograms: (name: string, help: string, buckets: number[], ...labelNames: string[]): Labelled<HistogramChild> => {
      const metric = new Histogram({ name, help, buckets, labelNames, registers });
      return new Labelled(
        labelNames,
        (labels) => metric.labels(labels),
        (labels) => metric.remove(labels),
      );
    },
  };
}

function preTradeMetrics({ counters, histogram, histograms }: Makers) {
  return {
    riskCheckLatency: histogram(
      "risk_check_latency_seconds",
      "Time to answer a pre-trade check, inside the process",
      fast,
    ),
    fillSlippage: histograms(
      "fill_slippage_ratio",
      "How far fills went from the mark of their decision against who traded, as a share of it",
      shares,
      "instrument",
      "kind",
    ),
    fillSlippageBeyond: counters(
      "fill_slippage_beyond_total",
      "Fills further from the mark of their decision than the rules permit",
      "instrument",
      "kind",
    ),
    riskChecks: counters("risk_checks_total", "Pre-trade checks by decision and first reason", "decision", "code"),
    riskReasons: counters(
      "risk_check_reasons_total",
      "Reasons of pre-trade checks, each of every refusal, and those of checks in shadow",
      "code",
      "shadow",
    ),
    positionUpdateLag: histogram(
      "position_update_lag_seconds",
      "From a fill's storing in the log to its position in memory",
      slow,
    ),
  };
}

function liquidationMetrics({ counter, counters, gauge, gauges, histograms }: Makers) {
  return {
    liquidationStage: histograms("liquidation_stage_seconds", "Time a liquidation spent in a stage", slow, "stage"),
    liquidations: counters("liquidations_total", "Liquidations that ended, by how", "outcome"),
    insuranceFundBalance: gauges(
      "insurance_fund_balance",
      "Balance of the insurance fund, rounded to a float",
      "asset",
    ),
    adlFills: counter("adl_fills_total", "Positions reduced by auto-deleveraging"),
    circuitBreakerTrips: counters(
      "circuit_breaker_trips_total",
      "Halts that a breaker or an operator set",
      "scope",
      "reason",
    ),
    effectsOpen: gauges("effects_open", "Effects that wait for their outcome", "kind"),
    effectAttempts: counters("effect_attempts_total", "Attempts to carry out an effect, by result", "kind", "result"),
    watchdogWakeups: counter("watchdog_wakeups_total", "Times that the watchdog looked after an open effect"),
    providerCalls: counters("provider_calls_total", "Attempts to tell a provider of a take-over, by result", "result"),
    providerCallsOpen: gauge("provider_calls_open", "Take-overs that their provider has not answered yet"),
  };
}

function engineMetrics({ counters, histogram, gauges }: Makers) {
  return {
    engineEventLoopLag: histogram("engine_event_loop_lag_seconds", "How late the event loop ran a timer", fast),
    engineApply: histogram("engine_apply_seconds", "Time to apply one entry", fast),
    engineEntries: counters("engine_entries_total", "Entries applied, by kind", "kind"),
    reconciliations: counters(
      "reconciliations_total",
      "Comparisons, by what was compared and result",
      "kind",
      "result",
    ),
    reconciliationMade: gauges(
      "reconciliation_last_success_timestamp_seconds",
      "When a comparison was made last, Unix time",
      "kind",
    ),
    snapshotAge: gauges("snapshot_age_seconds", "Age of a shard's newest snapshot", "shard"),
    snapshotBehind: gauges("snapshot_behind_entries", "Entries that a start would have to replay", "shard"),
    partitionRoom: gauges("partition_room", "Entries, facts or days that the partitions still have room for", "table"),
    reconciliationDifferences: gauges(
      "reconciliation_differences",
      "Differences that the last comparison found, by what was compared",
      "kind",
    ),
  };
}

function shardMetrics({ gauge, gauges, histogram }: Makers) {
  return {
    shardAppliedSeq: gauge("shard_applied_seq", "Last committed position of the shard's log"),
    shardCommitLag: histogram("shard_commit_lag_seconds", "From an entry's application to its commit", slow),
    shardCommit: histogram("shard_commit_seconds", "Time of one commit", slow),
    shardBatchEntries: histogram("shard_batch_entries", "Entries in one commit", sizes),
    shardEpoch: gauge("shard_epoch", "Epoch of this process's lease"),
    shardState: gauges("shard_state", "1 for the state that the shard is in, 0 for the others", "state"),
    logReaderLag: gauge("log_reader_lag_entries", "Entries of the log that are stored but not yet read"),
    venueSequenceLag: gauges(
      "venue_sequence_lag_seconds",
      "For how long an entry of the venue has not been committed, market time",
      "shard",
    ),
  };
}

function priceMetrics({ counters, gauges, histogram }: Makers) {
  return {
    markFrameLag: histogram(
      "mark_frame_lag_seconds",
      "From the arrival of the oldest quote behind a frame to the frame's storing in the log; in margin, from there to its application",
      slow,
    ),
    markFrameAge: gauges("mark_frame_age_seconds", "Time since the last frame was stored in a shard's log", "shard"),
    markFrames: counters("mark_frames_total", "Frames published, by what caused them", "cause"),
    markSourceAge: gauges("mark_source_age_seconds", "Age of the newest quote of a source", "asset", "source"),
    markQuoteAge: gauges("mark_quote_age_seconds", "Age of the newest quote of an asset", "asset"),
    priceQuality: gauges("price_quality", "1 for the quality that a price has, 0 for the others", "id", "quality"),
  };
}

function deliveryMetrics({ counter, counters, gauges }: Makers) {
  return {
    notices: counters("notices_total", "Attempts to publish a notice, by channel and result", "channel", "result"),
    noticesWaiting: gauges("notices_waiting", "Notices that are recorded and not yet sent", "channel"),
    noticesOldest: gauges("notices_oldest_seconds", "Age of the oldest notice that is not yet sent", "channel"),
    breakerValue: gauges(
      "breaker_value",
      "What a breaker, the fund's brake or a limit of open interest measures",
      "what",
      "of",
    ),
    breakerBound: gauges("breaker_bound", "What that may reach at most", "what", "of"),
    haltsInForce: gauges("halts_in_force", "Halts in force, by scope and state", "scope", "state"),
    limitUse: gauges("limit_use_ratio", "The most that any account uses of a limit, above half of it", "limit"),
    limitAccounts: gauges("limit_use_accounts", "Accounts that use more than half of a limit", "limit"),
    accountsSum: gauges(
      "accounts_sum_usd",
      "Of all accounts of a shard: equity, initial margin, notional, profit of the day; rounded to a float",
      "shard",
      "of",
    ),
    alertsOpen: gauges("alerts_open", "Alerts that hold, by level", "level"),
    alertMessages: counters(
      "alert_messages_total",
      "Attempts to tell a channel of alerts, by result",
      "channel",
      "result",
    ),
    alertsWaiting: gauges("alerts_waiting", "Alerts that a channel has not been told of yet", "channel"),
    alertsOldest: gauges(
      "alerts_oldest_seconds",
      "Age of the oldest alert that a channel has not been told of",
      "channel",
    ),
    alarms: counters("alarms_total", "Alarms that this process raised, by code", "code"),
    outboxPending: gauges("outbox_pending", "Entries in the outbox that the log does not hold yet", "source"),
    deadLetters: counters("dead_letters_total", "Messages refused at a border, by reason", "border", "reason"),
    bullmqJobs: gauges("bullmq_jobs", "Jobs by queue and state", "queue", "state"),
    bullmqFailures: counters("bullmq_failures_total", "Jobs and workers that failed", "queue"),
    busReconnects: counter("bus_reconnects_total", "Times that the link to NATS was made again"),
    busDropped: counter(
      "bus_dropped_total",
      "Messages without acknowledgement that were not sent while the link was down",
    ),
    logWriteRetries: counter(
      "log_write_retries_total",
      "Times that unacknowledged entries were written to the log again",
    ),
  };
}

function streamMetrics({ counter, counters, gauge, gauges }: Makers) {
  return {
    streamConnections: gauge("stream_connections", "WebSockets that are open"),
    streamCloses: counters("stream_closes_total", "WebSockets that were closed, by code", "code"),
    streamFrames: counter("stream_frames_total", "Frames of channels handed to connections"),
    streamTopics: gauge("stream_channels", "Channels that are read, or were not long ago"),
    streamAccounts: gauge("stream_accounts", "Accounts of which a channel is read, or was not long ago"),
    streamReplayBytes: gauge("stream_replay_bytes", "Bytes of deltas kept for whoever comes back"),
    streamLogSeq: gauges("stream_log_seq", "Position in a shard's log that is shown", "shard"),
    streamMarkAge: gauge("stream_mark_age_seconds", "Age of the prices that are shown, market time"),
  };
}

function interfaceMetrics({ counters, histogram, histograms }: Makers) {
  return {
    apiRequests: histograms(
      "api_request_seconds",
      "Time to answer a request, by route and status",
      slow,
      "route",
      "status",
    ),
    apiRefusals: counters("api_refusals_total", "Requests refused, by code", "code"),
    apiAttempts: counters("api_attempts_total", "Refused attempts at privileged acts, by code", "code"),
    commandApplied: histogram(
      "command_applied_seconds",
      "From a command's commit to the fact that it was applied",
      slow,
    ),
    commands: counters("commands_total", "Commands of operators, by operation and state", "operation", "state"),
  };
}

/** Sets 1 for the state that holds and 0 for every other. */
export function setState(
  gauge: Labelled<GaugeChild>,
  states: readonly string[],
  state: string,
  ...before: string[]
): void {
  for (const each of states) gauge.with(...before, each).set(each === state ? 1 : 0);
}
