/** `keeperlog stats`: what the store holds, counted. */
import type { Command } from 'commander';
import type { Store } from '../index.js';
import { integerFrom, interruptible, makeCommand, onRun, withStore } from './command.js';
import { bytesText, countText, data, table, toJson } from './output.js';
import { progressLine } from './progress-line.js';

/** So many types and streams are named, those with the most events. */
const DEFAULT_TOP = 10;

interface Counted {
  readonly name: string;
  readonly events: number;
}

interface Counts {
  readonly events: number;
  readonly bytes: number;
  readonly segments: number;
  readonly firstTime: string | null;
  readonly lastTime: string | null;
  readonly streams: number;
  readonly types: readonly Counted[];
  readonly largestStreams: readonly Counted[];
}

export function statsCommand(): Command {
  const command = makeCommand('stats', 'Count what the store holds: events by type, streams, the time they span.', [
    ['keeperlog stats', 'of the store in ./data'],
    ['keeperlog stats --top 3', 'with the three largest types and streams'],
    ['keeperlog stats --json', 'as JSON'],
  ]).option('--top <count>', 'name so many types and streams', integerFrom(1), DEFAULT_TOP);
  return onRun<{ top: number }>(command, async ({ dir, json, top }) => {
    const signal = interruptible('stats');
    const counts = await withStore({ dir, readOnly: true }, (store) => count(store, top, signal));
    await data(json === true ? toJson(counts) : countsText(counts));
  });
}

/** Reads every record's header, and no payload. */
async function count(store: Store, top: number, signal: AbortSignal): Promise<Counts> {
  const { durable, bytes, segments } = store.stats();
  const types = new Map<string, number>();
  let events = 0;
  let firstTime: string | null = null;
  let lastTime: string | null = null;
  const line = await progressLine('stats', durable);
  try {
    for await (const batch of store.read({}, { signal }).batches()) {
      for (const { type } of batch) types.set(type, (types.get(type) ?? 0) + 1);
      events += batch.length;
      firstTime ??= batch[0]?.time.toISOString() ?? null;
      lastTime = batch.at(-1)?.time.toISOString() ?? lastTime;
      line.update(events, `${countText(events)} events`);
    }
  } finally {
    line.stop();
  }
  let streams = 0;
  let largest: Counted[] = [];
  for await (const batch of store.streams({ signal }).batches()) {
    streams += batch.length;
    largest = mostOf(
      [...largest, ...batch.map(({ stream, revision }) => ({ name: stream, events: revision + 1 }))],
      top,
    );
  }
  return {
    events,
    bytes,
    segments,
    firstTime,
    lastTime,
    streams,
    types: mostOf(
      [...types].map(([name, counted]) => ({ name, events: counted })),
      top,
    ),
    largestStreams: largest,
  };
}

function mostOf(counted: readonly Counted[], top: number): Counted[] {
  return counted.toSorted((a, b) => b.events - a.events || (a.name < b.name ? -1 : 1)).slice(0, top);
}

function countsText(counts: Counts): string {
  const { events, bytes, segments, firstTime, lastTime, streams } = counts;
  const named = (title: string, list: readonly Counted[]): (readonly [string, string])[] =>
    list.map(({ name, events: counted }, i) => [i === 0 ? title : '', `${countText(counted).padStart(10)}  ${name}`]);
  return table([
    ['events', countText(events)],
    ['time', firstTime === null ? 'none' : `${firstTime} to ${lastTime}`],
    ['bytes', `${bytesText(bytes)} in ${segments} segments`],
    ['streams', countText(streams)],
    ...named('types', counts.types),
    ...named('largest streams', counts.largestStreams),
  ]);
}
