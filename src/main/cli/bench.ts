/**
 * `keeperlog bench`: an open-loop load on a store of its own, made beside the directory and removed in the end, so that
 * it measures the same disk and leaves the user's store alone.
 */
import { randomBytes } from 'node:crypto';
import fs from 'node:fs/promises';
import path from 'node:path';
import type { Command } from 'commander';
import type { NewEvent } from '../../shared/portable/events.js';
import { integerFrom, interruptible, makeCommand, onRun, withStore } from './command.js';
import { EXIT, Refusal } from './failure.js';
import {
  type GroupCommits,
  groupCommitsSince,
  groupCommitsText,
  type LoadReport,
  latencyText,
  meets,
  runLoad,
  warmUpEvents,
  warmUpText,
} from './load.js';
import { bytesText, countText, data, table, toJson } from './output.js';
import { progressLine } from './progress-line.js';

/** Streams that the events are spread over. */
const STREAMS = 100;
/** What is written beside the events themselves: framing, preallocation. */
const OVERHEAD = 1.3;
const SPARE_BYTES = 256 * 1024 * 1024;

interface Options {
  readonly rate: number;
  readonly seconds: number;
  readonly size: number;
  readonly source?: string;
  readonly sla: number;
}

export function benchCommand(): Command {
  const command = makeCommand('bench', 'Append at a fixed rate and measure latency from the time each event was due.', [
    ['keeperlog bench --seconds 3', 'a second of it is 10,000 events of 1 KiB'],
    ['keeperlog bench --rate 1000 --seconds 3 --size 200', 'slower and smaller'],
    ['keeperlog bench --rate 1000 --seconds 3 --sla 50 --json', 'against a p99 of 50 ms, as JSON'],
  ])
    .option('--rate <events>', 'events a second', integerFrom(1), 10_000)
    .option('--seconds <seconds>', 'how long', integerFrom(1), 10)
    .option('--size <bytes>', 'of the data of one event', integerFrom(0), 1024)
    .option('--source <file>', 'take the data from a file: JSON lines, or a JSON list (also of webhook definitions)')
    .option('--sla <ms>', 'the target for the p99, in milliseconds', integerFrom(1), 10);
  return onRun<Options>(command, async (options) => {
    const signal = interruptible('bench --seconds 3');
    const { dir, json, rate, seconds, size, source, sla } = options;
    const events = source === undefined ? randomEvents(size) : await eventsOf(source);
    const bytes = events.reduce((sum, event) => sum + JSON.stringify(event.data).length, 0) / events.length;
    const parent = path.dirname(path.resolve(dir));
    await checkSpace(parent, bytes * (rate * seconds + warmUpEvents(rate)) * OVERHEAD + SPARE_BYTES);
    const place = await fs.mkdtemp(path.join(parent, '.keeperlog-bench-'));
    try {
      const { report, commits } = await withStore({ dir: path.join(place, 'store'), signal }, async (store) => {
        const warmUp = warmUpEvents(rate);
        const line = await progressLine('bench', warmUp + rate * seconds);
        const before = store.stats();
        try {
          const report = await runLoad({
            rate,
            count: rate * seconds,
            warmUp,
            signal,
            append: (i) => store.append(`bench/${i % STREAMS}`, events[i % events.length]!),
            onTick: (state) => line.update(state.done, `${countText(state.rate)} events/s`),
          });
          return { report, commits: groupCommitsSince(before, store.stats()) };
        } finally {
          line.stop();
        }
      });
      if (signal.aborted) throw signal.reason;
      const met = meets(report, sla);
      const all = { ...report, groupCommits: commits, eventBytes: Math.round(bytes), sla: { p99Ms: sla, met } };
      await data(json === true ? toJson(all) : benchText(report, commits, bytes, sla));
      if (met) return;
      const slower = `bench --rate ${Math.max(1, Math.round(rate / 2))} --seconds ${seconds}`;
      throw new Refusal(EXIT.failed, `the target p99 < ${sla} ms was missed`, slower, { code: 'ERR_SLA_MISSED' });
    } finally {
      await fs.rm(place, { recursive: true, force: true });
    }
  });
}

function benchText(report: LoadReport, commits: GroupCommits, bytes: number, sla: number): string {
  const { events, refused, seconds, rate, targetRate, latency, warmUp } = report;
  return table([
    [
      'events',
      `${countText(events)} of ${bytesText(Math.round(bytes))} in ${seconds.toFixed(2)} s, ${countText(refused)} refused`,
    ],
    ['rate', `${countText(rate)} of ${countText(targetRate)} events/s`],
    ['latency', `${latencyText(latency)}, from the time each was due until it was synced`],
    ['warm-up', warmUpText(warmUp)],
    ['commits', groupCommitsText(commits)],
    ['verdict', `p99 < ${sla} ms: ${meets(report, sla) ? 'met' : 'MISSED'}`],
  ]);
}

function randomEvents(size: number): NewEvent[] {
  // Hex: as hard to compress as half its length.
  return Array.from({ length: 64 }, () => ({
    type: 'bench.event',
    data: randomBytes(Math.ceil(size / 2))
      .toString('hex')
      .slice(0, size),
  }));
}

/** The payloads of a file: JSON lines, or a list, of events, of webhook definitions with examples, or of anything. */
async function eventsOf(file: string): Promise<NewEvent[]> {
  let values: unknown[];
  try {
    const text = await fs.readFile(file, 'utf8');
    const lines = text.split('\n').filter((line) => line.trim() !== '');
    values = text.trimStart().startsWith('[') ? JSON.parse(text) : lines.map((line) => JSON.parse(line));
  } catch (error) {
    throw new Refusal(EXIT.usage, `${file} cannot be used: ${(error as Error).message}`, 'bench --help');
  }
  const events = values.flatMap(toEvents);
  if (events.length === 0) throw new Refusal(EXIT.usage, `${file} has no events`, 'bench --help');
  return events;
}

function toEvents(value: unknown): NewEvent[] {
  if (typeof value === 'object' && value !== null) {
    const { name, examples, type, data: content } = value as Record<string, unknown>;
    if (Array.isArray(examples)) return examples.map((example) => ({ type: `github.${name}`, data: example }));
    if (typeof type === 'string' && content !== undefined) return [{ type, data: content }];
  }
  return [{ type: 'bench.event', data: value }];
}

async function checkSpace(dir: string, needed: number): Promise<void> {
  const { bavail, bsize } = await fs.statfs(dir);
  const free = bavail * bsize;
  if (free >= needed) return;
  const message = `${dir} has ${bytesText(free)} free, and the bench may take ${bytesText(Math.ceil(needed))}`;
  throw new Refusal(EXIT.failed, message, 'bench --seconds 3 --size 200', { free, needed: Math.ceil(needed) });
}
