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

/** Everything in the log, its sequences gapless from 1. */
export async function readAll(store: Store): Promise<RecordedEvent[]> {
  const rows = await store.read().toArray();
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
export function findCalls(rows: readonly RecordedEvent[], { calls, acknowledged }: Promised): number {
  const found = rows.filter(({ stream }) => stream !== '$store');
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
