/**
 * Open-loop load: events are due at absolute times, whatever became of those before, and latency counts from the time
 * at which an event was due, so that a stall shows in every event it held up. A timer ticks about every millisecond and
 * sends what is due in one burst.
 */
import { createHistogram, type RecordableHistogram } from 'node:perf_hooks';
import { setTimeout as delay, setImmediate as yieldOnce } from 'node:timers/promises';
import { isKeeperError } from '../../shared/portable/errors.js';
import type { StoreStats } from '../index.js';

const TICK_MS = 1;
/** Results are let in after so many events of one burst. */
const MAX_BURST = 256;
/** The warm-up goes at this part of the rate. */
const WARM_UP_RATE = 1 / 4;
/** It is this long at most. Units: events, seconds. */
const WARM_UP_EVENTS = 2000;
const WARM_UP_SECONDS = 1;

/** How many events warm up the code for a rate. */
export function warmUpEvents(rate: number): number {
  return Math.min(WARM_UP_EVENTS, Math.ceil(rate * WARM_UP_RATE * WARM_UP_SECONDS));
}

export interface Load {
  /** Events a second. */
  readonly rate: number;
  readonly count: number;
  /**
   * So many events go before them, slower, and are reported apart: Node compiles code while it runs, and what waits for
   * that in the first tenths of a second says nothing about the store. They are events 0 to `warmUp - 1`.
   */
  readonly warmUp: number;
  /** Begin to append event `i`; resolves when it is durable. */
  readonly append: (i: number) => Promise<unknown>;
  readonly signal?: AbortSignal;
  /** About every millisecond, the warm-up included. */
  readonly onTick?: (state: LoadState) => void;
}

export interface LoadState {
  readonly sent: number;
  readonly done: number;
  /** Durable events a second, of the warm-up while that lasts, then without it. */
  readonly rate: number;
}

/** Milliseconds. */
export interface Latency {
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly p999: number;
  readonly max: number;
}

export interface LoadReport extends PhaseReport {
  /** What went before and is in none of the other figures. */
  readonly warmUp: PhaseReport;
}

export interface PhaseReport {
  /** Durable, and refused because too much was waiting. */
  readonly events: number;
  readonly refused: number;
  readonly seconds: number;
  /** Durable events a second, from the first one due until the last one was durable. */
  readonly rate: number;
  readonly targetRate: number;
  readonly latency: Latency;
  /** The most that were sent and not durable. */
  readonly maxPending: number;
}

/**
 * Send the load, and wait for all of it.
 * @throws the first error that is not backpressure, once what was sent has ended
 */
export async function runLoad(load: Load): Promise<LoadReport> {
  const warmUp = await runPhase(load, load.rate * WARM_UP_RATE, 0, load.warmUp);
  return { ...(await runPhase(load, load.rate, load.warmUp, load.count)), warmUp };
}

/** Send `count` events from event `first` on. */
async function runPhase(
  { append, signal, onTick }: Load,
  rate: number,
  first: number,
  count: number,
): Promise<PhaseReport> {
  const histogram = createHistogram();
  const perMs = rate / 1000;
  let sent = 0;
  let done = 0;
  let refused = 0;
  let maxPending = 0;
  let failure: unknown;
  let onSettled = (): void => {};
  const settle = (): void => {
    if (done + refused === sent) onSettled();
  };
  const startMs = performance.now();
  const send = (dueMs: number): void => {
    append(first + sent++).then(
      () => {
        done++;
        recordLatency(histogram, performance.now() - dueMs);
        settle();
      },
      (error: unknown) => {
        refused++;
        if (!isKeeperError(error, 'ERR_BACKPRESSURE')) failure ??= error;
        settle();
      },
    );
  };
  while (sent < count && failure === undefined && signal?.aborted !== true) {
    const due = Math.min(count, Math.floor((performance.now() - startMs) * perMs) + 1);
    const burst = Math.min(due, sent + MAX_BURST);
    while (sent < burst) send(startMs + sent / perMs);
    maxPending = Math.max(maxPending, sent - done - refused);
    onTick?.({ sent: first + sent, done: first + done, rate: (done * 1000) / (performance.now() - startMs) });
    if (sent < due) await yieldOnce();
    else await delay(TICK_MS);
  }
  if (done + refused < sent) {
    await new Promise<void>((resolve) => {
      onSettled = resolve;
    });
  }
  if (failure !== undefined) throw failure;
  const seconds = (performance.now() - startMs) / 1000;
  return {
    events: done,
    refused,
    seconds,
    rate: done / seconds,
    targetRate: rate,
    latency: latencyOf(histogram),
    maxPending,
  };
}

/** Count a latency, in a histogram of microseconds. */
export function recordLatency(histogram: RecordableHistogram, ms: number): void {
  histogram.record(Math.max(1, Math.round(ms * 1000)));
}

export function latencyOf(histogram: RecordableHistogram): Latency {
  if (histogram.count === 0) return { p50: 0, p90: 0, p99: 0, p999: 0, max: 0 };
  const at = (percentile: number): number => histogram.percentile(percentile) / 1000;
  return { p50: at(50), p90: at(90), p99: at(99), p999: at(99.9), max: histogram.max / 1000 };
}

export function latencyText({ p50, p99, p999, max }: Latency): string {
  const ms = (value: number): string => `${value.toFixed(value < 10 ? 2 : 1)} ms`;
  return `p50 ${ms(p50)}, p99 ${ms(p99)}, p99.9 ${ms(p999)}, max ${ms(max)}`;
}

/** What a store committed together between two looks at it. */
export interface GroupCommits {
  readonly count: number;
  /** Events of one group commit. */
  readonly mean: number;
  /** Since the store was opened. */
  readonly largest: number;
}

export function groupCommitsSince(before: StoreStats, after: StoreStats): GroupCommits {
  const count = after.groupCommits.count - before.groupCommits.count;
  const events = after.groupCommits.events - before.groupCommits.events;
  return { count, mean: count === 0 ? 0 : events / count, largest: after.groupCommits.largest };
}

export function groupCommitsText({ count, mean, largest }: GroupCommits): string {
  return `${count} group commits, ${mean.toFixed(1)} events each, the largest ${largest}`;
}

export function warmUpText({ events, latency }: PhaseReport): string {
  return `${events} events went first, slower and not in these figures: ${latencyText(latency)}`;
}

/** Whether a load met a target for its p99. A refused event is a miss. */
export function meets(report: LoadReport, p99Ms: number): boolean {
  return report.refused + report.warmUp.refused === 0 && report.latency.p99 < p99Ms;
}
