/** What a workload has asked of a store, and how much of it was promised. */
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
}

export const NOTHING: Promised = { calls: [], acknowledged: 0, torn: new Map() };

/** The data of an event: which one it is, and bytes that tell it apart. */
export interface Data {
  readonly call: number;
  readonly fill: string;
}

/** Everything in the log, its sequences gapless from 1. */
export async function readAll(store: Store): Promise<RecordedEvent[]> {
  const rows = await store.read().toArray();
  expect(rows.map(({ sequence }) => sequence)).toEqual(rows.map((_, i) => i + 1));
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
    expect(events.map((event) => inShort(event, (event.data as Data).fill))).toEqual(
      call.events.map((event) => inShort(event, event.fill)),
    );
    expect(events.every(({ data }, i) => (data as Data).fill === call.events[i]!.fill)).toBe(true);
    expect(events.at(-1)!.sequence - events[0]!.sequence).toBe(events.length - 1);
    if (call.ids !== undefined && present < acknowledged) expect(events.map(({ id }) => id)).toEqual(call.ids);
    at += events.length;
    present++;
  }
  expect(at, 'events of calls that were made and not refused').toBe(found.length);
  expect(present, 'acknowledged calls that are there').toBeGreaterThanOrEqual(acknowledged);
  return present;
}

/** An event in a line: the whole of it would be pages in a failure. */
function inShort({ stream, type }: { stream: string; type: string }, fill: string): string {
  return `${type} in ${stream}, ${fill.length} characters: ${fill.slice(0, 20)}`;
}
