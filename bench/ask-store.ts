/**
 * The store of the bench of asking: so many events, all of them in sealed segments. Each has a correlation id whose other events are
 * spread over all of the log, and a stream whose other events are near, 20, 200 or 2,000 of them.
 */
import { openStore, type Store } from 'keeperlog';
import { small } from './events.js';

const BATCH = 100;
const IN_FLIGHT = 4;
export const TYPES = 100;
/** How many events an id or a stream has, in turn. */
export const RESULTS = [20, 200, 2000] as const;
export type Result = (typeof RESULTS)[number];
/** Of each length, so many streams are in use at a time. */
const IN_USE = 10;
/** So many events of the first half of the log have a tag in common. */
const TAGGED = 20;
/** What follows one after the other in the store is far apart in what is asked: a prime. */
export const STRIDE = 7919;
/** Of what fills the newest segment up. */
const FILL_BYTES = 32_768;
const LEAST_SEGMENT_BYTES = 256 * 1024;

/** The store, open, and what its events take in the log. */
export interface Asked {
  readonly store: Store;
  readonly dir: string;
  readonly events: number;
  readonly rawBytesPerEvent: number;
}

/** Make it; with a million events, of segments about as large as they are by default. */
export async function makeAsked(dir: string, events: number): Promise<Asked> {
  const segmentBytes = Math.max(LEAST_SEGMENT_BYTES, events * 100);
  const store = await openStore({ dir, sealing: 'on-demand', segmentBytes });
  let next = 0;
  const appender = async (): Promise<void> => {
    while (next < events) {
      const from = next;
      next += BATCH;
      const streams = new Map<string, object[]>();
      for (let n = from; n < next; n++) {
        const { stream, event } = numbered(n, events);
        const sameStream = streams.get(stream);
        if (sameStream === undefined) streams.set(stream, [event]);
        else sameStream.push(event);
      }
      await store.appendMany(Array.from(streams, ([stream, events]) => ({ stream, events: events as never })));
    }
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, appender));
  const { bytes, segments } = store.stats();
  const filler = { type: 'Filler', data: new Uint8Array(FILL_BYTES) };
  while (store.stats().segments === segments) await store.append('filler', filler);
  await store.seal();
  return { store, dir, events, rawBytesPerEvent: bytes / events };
}

function numbered(n: number, events: number): { stream: string; event: object } {
  const result = RESULTS[n % RESULTS.length]!;
  const m = Math.floor(n / RESULTS.length);
  const turn = Math.floor(m / IN_USE);
  const half = n < events / 2 ? 'early' : 'late';
  return {
    stream: streamOf(result, Math.floor(turn / result) * IN_USE + (m % IN_USE)),
    event: {
      type: `Type${(n * STRIDE) % TYPES}`,
      data: small()[0]!.data,
      metadata: { agent: `agent-${n % 50}`, correlationId: correlationOf(result, m % correlations(result, events)) },
      tags: [`${half}:${n % earlyTags(events)}`],
    },
  };
}

export function streamOf(result: Result, n: number): string {
  return `session-${result}/${n}`;
}

/** Streams of that length, but for those that are in use in the end. */
export function streams(result: Result, events: number): number {
  return Math.max(1, Math.floor(events / RESULTS.length / IN_USE / result)) * IN_USE;
}

export function correlationOf(result: Result, n: number): string {
  return `request-${result}/${n}`;
}

export function correlations(result: Result, events: number): number {
  return Math.max(1, Math.floor(events / RESULTS.length / result));
}

/** The tags that no event of the second half has. */
export function earlyTag(i: number, events: number): string {
  return `early:${i % earlyTags(events)}`;
}

function earlyTags(events: number): number {
  return events / 2 / TAGGED;
}

/** What somebody has read up to who has read the first half: all events of the early tags. */
export function behindEarly(events: number): number {
  return Math.ceil(events / 2) + BATCH;
}
