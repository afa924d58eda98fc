/** What a workload has asked of a store, and how much of it was promised. */
import { isDeepStrictEqual } from 'node:util';
import { expect } from 'vitest';
import type { RecordedEvent, Store } from '../../dist/main/index.js';

/** One append or appendMany, as its events must be found. */
export interface Call {
  readonly events: readonly { readonly stream: string; readonly type: string; readonly fill: string }[];
  readonly key: string | undefined;
  /** Once it was acknowledged. */
  ids: readonly string[] | undefined;
}

/** What must be found after a cut. */
export interface Promised {
  /** At most all of these. A call that was refused is not among them. */
  readonly calls: readonly Call[];
  /** At least the first so many. */
  readonly acknowledged: number;
  /** Up to so many of the calls, deletions were acknowledged: who called is told later than who appended at the same time. */
  readonly deleted?: number;
  /** Torn tails that recovery has told of, each by its file's name. */
  readonly torn: ReadonlyMap<string, Buffer>;
  /** Deleted events are gone for good. */
  readonly compacted?: true;
}

export const NOTHING: Promised = { calls: [], acknowledged: 0, torn: new Map() };

/** The data of an event: which one it is, and bytes that tell it apart. */
export interface Data {
  readonly call: number;
  readonly fill: string;
}

/** As `expect(found).toEqual(expected)`, which takes a hundred times as long, and is done where there is something to tell. */
export function expectSame(found: unknown, expected: unknown, what?: string): void {
  if (!isDeepStrictEqual(found, expected)) expect(found, what).toEqual(expected);
}

/** The type of the event that deletes a stream: a call with it alone is a deletion. */
export const TOMBSTONE = '$tombstone';

const isDeletion = ({ events }: Call): boolean => events[0]?.type === TOMBSTONE;

/** Everything in the log, its sequences gapless from 1; where streams were deleted, {@link findCalls} says what must be missing. */
export async function readAll(store: Store, calls: readonly Call[] = []): Promise<RecordedEvent[]> {
  const rows = await store.read().toArray();
  if (calls.some(isDeletion)) return rows;
  expectSame(
    rows.map(({ sequence }) => sequence),
    rows.map((_, i) => i + 1),
  );
  return rows;
}

/**
 * Find the calls in a log: whole, in order, from the first on, each once, and nothing else but the store's own events.
 * @returns how many calls are there
 */
export function findCalls(rows: readonly RecordedEvent[], promised: Promised): number {
  const { calls, acknowledged } = promised;
  const found = rows.filter(({ stream }) => stream !== '$store');
  if (calls.some(isDeletion)) return findSeen(found, promised);
  let at = 0;
  let present = 0;
  for (const call of calls) {
    if (at === found.length) break;
    const events = found.slice(at, at + call.events.length);
    expectCall(events, call);
    const isPromised = call.ids !== undefined && present < acknowledged;
    if (isPromised) {
      expectSame(
        events.map(({ id }) => id),
        call.ids,
      );
    }
    at += events.length;
    present++;
  }
  expectSame(found.length, at, 'events of calls that were made and not refused');
  if (present < acknowledged) expect(present, 'acknowledged calls that are there').toBeGreaterThanOrEqual(acknowledged);
  return present;
}

/** An event of a call, at its place in the log. */
export interface Placed {
  readonly call: Call;
  readonly event: Call['events'][number];
  readonly sequence: number;
}

/** The events of the calls up to a sequence, each call whole. */
export function placed(calls: readonly Call[], last: number): Placed[] {
  const all: Placed[] = [];
  for (const call of calls) {
    if (all.length >= last) break;
    for (const event of call.events) all.push({ call, event, sequence: all.length + 1 });
  }
  return all;
}

/** Without what was deleted by tombstones among them. */
export function withoutDeleted(all: readonly Placed[]): Placed[] {
  const tombstones = all.filter(({ event }) => event.type === TOMBSTONE);
  return all.filter(
    ({ event, sequence }) => !tombstones.some((one) => one.event.stream === event.stream && one.sequence > sequence),
  );
}

/** The same as {@link findCalls} where streams were deleted: what is there is seen, but for that. */
function findSeen(found: readonly RecordedEvent[], { calls, acknowledged }: Promised): number {
  const last = found.at(-1)?.sequence ?? 0;
  const all = placed(calls, last);
  expectSame(all.length, last, 'events of a call');
  const seen = withoutDeleted(all);
  expectSame(
    found.map((row) => `${row.sequence} ${row.revision} ${inShort(row, fillOf(row))}`),
    seen.map(
      ({ event, sequence }) => `${sequence} ${revisionOf(all, event.stream, sequence)} ${inShort(event, event.fill)}`,
    ),
    'what is left of deleted streams',
  );
  const present = new Set(all.map(({ call }) => call)).size;
  for (const [i, { call, event }] of seen.entries()) {
    if (call.ids === undefined || calls.indexOf(call) >= acknowledged) continue;
    expectSame(found[i]!.id, call.ids[call.events.indexOf(event)]);
  }
  if (present < acknowledged) expect(present, 'acknowledged calls that are there').toBeGreaterThanOrEqual(acknowledged);
  return present;
}

function revisionOf(all: readonly Placed[], stream: string, sequence: number): number {
  return all.filter((one) => one.event.stream === stream && one.sequence < sequence).length;
}

function fillOf({ data }: RecordedEvent): string {
  return data === null ? '' : (data as Data).fill;
}

/** These events are those of a call, with nothing in between. */
function expectCall(events: readonly RecordedEvent[], call: Call): void {
  const isSame = events.length === call.events.length && call.events.every((event, i) => isEvent(events[i]!, event));
  if (!isSame) {
    const found = events.map((event) => inShort(event, (event.data as Data).fill));
    expect(found, 'events of a call').toEqual(call.events.map((event) => inShort(event, event.fill)));
    throw new Error(`not the data of ${found.join(', ')}`);
  }
  expectSame(events.at(-1)!.sequence - events[0]!.sequence, events.length - 1);
}

function isEvent({ stream, type, data }: RecordedEvent, expected: Call['events'][number]): boolean {
  return stream === expected.stream && type === expected.type && (data as Data).fill === expected.fill;
}

/** An event in a line: the whole of it would be pages in a failure. */
function inShort({ stream, type }: { stream: string; type: string }, fill: string): string {
  return `${type} in ${stream}, ${fill.length} characters: ${fill.slice(0, 20)}`;
}
