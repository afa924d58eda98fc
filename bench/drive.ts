/** Driving a target: appenders that each await their own acknowledgement, or a fixed rate whoever keeps up. */
import { createHistogram } from 'node:perf_hooks';
import type { BenchEvent } from './events.js';
import { median } from './report.js';
import type { Appends, Target } from './target.js';

/** What a run measured. Latencies in milliseconds, rate in events a second. */
export interface Figures {
  readonly rate: number;
  readonly p50: number;
  readonly p99: number;
  readonly p999: number;
  readonly max: number;
}

const NS_PER_MS = 1e6;

class Latencies {
  readonly #histogram = createHistogram({ lowest: 1, highest: 600_000_000_000, figures: 3 });
  #count = 0;

  add(latencyMs: number): void {
    this.#histogram.record(Math.max(1, Math.round(latencyMs * NS_PER_MS)));
    this.#count++;
  }

  figures(events: number, elapsedMs: number): Figures {
    const at = (percentile: number): number => this.#histogram.percentile(percentile) / NS_PER_MS;
    return {
      rate: (events / elapsedMs) * 1000,
      p50: at(50),
      p99: at(99),
      p999: at(99.9),
      max: this.#count === 0 ? 0 : this.#histogram.max / NS_PER_MS,
    };
  }
}

/** The median of each figure of several runs. */
export function medians(runs: readonly Figures[]): Figures {
  const of = (key: keyof Figures): number => median(runs.map((one) => one[key]));
  return { rate: of('rate'), p50: of('p50'), p99: of('p99'), p999: of('p999'), max: of('max') };
}

/** So many appenders, each with one append in flight, for so long. */
export async function closedLoop(
  target: Appends,
  events: readonly BenchEvent[],
  appenders: number,
  batch: number,
  seconds: number,
): Promise<Figures> {
  const latencies = new Latencies();
  const batches = Array.from({ length: 16 }, (_, b) =>
    Array.from({ length: batch }, (_, i) => events[(b * batch + i) % events.length]!),
  );
  let count = 0;
  const began = performance.now();
  const until = began + seconds * 1000;
  await Promise.all(
    Array.from({ length: appenders }, async (_, appender) => {
      const stream = `agent-${appender}`;
      for (let turn = appender; ; turn++) {
        const start = performance.now();
        if (start >= until) return;
        if (batch === 1) await target.append(stream, events[turn % events.length]!);
        else await target.appendBatch(stream, batches[turn % batches.length]!);
        count += batch;
        latencies.add(performance.now() - start);
      }
    }),
  );
  return latencies.figures(count, performance.now() - began);
}

/** One appender that blocks its thread. */
export function blocking(target: Target, events: readonly BenchEvent[], seconds: number): Figures {
  const latencies = new Latencies();
  let count = 0;
  const began = performance.now();
  for (const until = began + seconds * 1000; ; count++) {
    const start = performance.now();
    if (start >= until) return latencies.figures(count, start - began);
    target.appendSync('agent-0', events[count % events.length]!);
    latencies.add(performance.now() - start);
  }
}

/** A fixed rate, whoever keeps up: an event's latency counts from the moment at which it was due. */
export async function openLoop(
  target: Appends,
  events: readonly BenchEvent[],
  rate: number,
  seconds: number,
): Promise<Figures> {
  const latencies = new Latencies();
  const total = rate * seconds;
  let sent = 0;
  let done = 0;
  const began = performance.now();
  await new Promise<void>((resolve, reject) => {
    const tick = (): void => {
      const due = Math.min(total, Math.floor(((performance.now() - began) / 1000) * rate));
      while (sent < due) {
        const scheduled = began + (sent / rate) * 1000;
        target.append(`agent-${sent % 64}`, events[sent % events.length]!).then(() => {
          latencies.add(performance.now() - scheduled);
          if (++done === total) resolve();
        }, reject);
        sent++;
      }
      // A timer of 1 ms: what falls due in between goes out together, and its latency says so.
      if (sent < total) setTimeout(tick, 1);
    };
    tick();
  });
  return latencies.figures(total, performance.now() - began);
}
