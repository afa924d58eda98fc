/** The separate record of what a program was told about its calls, and the comparison with what a store holds afterwards. */
import { expect } from 'vitest';
import {
  type Appended,
  type CompactReport,
  type NewEvent,
  openStore,
  type RecordedEvent,
  type SealReport,
  type Store,
} from '../../dist/main/index.js';
import { type Ack, expectWhole } from './kit.js';

/** What a run of steps tells. */
export interface Told {
  /** A call, and what became of it. */
  readonly call?: string;
  readonly outcome?: 'acknowledged' | 'unknown' | 'not-appended';
  readonly ids?: readonly string[];
  readonly duplicate?: boolean;
  /** Ids that the call was given before it was durable. */
  readonly shown?: readonly string[];
  /** The events of a call with keys whose outcome is unknown: it may be repeated. */
  readonly repeat?: NewEvent[];
  /** Something else that has failed. */
  readonly failed?: 'open' | 'close' | 'read' | 'hoard';
  readonly code?: string;
  readonly errno?: string;
  readonly syscall?: string;
  readonly mode?: string;
  readonly message?: string;
  /** Of a read: stream and type of each event. */
  readonly rows?: readonly string[];
  /** The report of a compaction, and of a sealing. */
  readonly compacted?: CompactReport;
  readonly sealed?: SealReport;
  /** How many events a signed checkpoint has. */
  readonly signed?: number;
  /** What a query has found. */
  readonly sequences?: readonly number[];
  /** Files that were made by then. */
  readonly made?: readonly string[];
}

/** How an event says where it belongs. */
interface Data {
  readonly call?: string;
  readonly place?: number;
}

/**
 * Compare a store with all that was told about it: acknowledged ⊆ recovered, in the order of the acknowledgements, whole,
 * once, under the ids that were told; what was not appended is not there; no id that was ever shown names another event.
 */
export async function expectKept(store: Store, told: readonly Told[]): Promise<RecordedEvent[]> {
  const events = await expectWhole(store, acksOf(told));
  const outcomes = new Map<string, string>();
  for (const { call, outcome } of told) if (call !== undefined && outcome !== undefined) outcomes.set(call, outcome);
  const callOf = new Map<string, string>();
  const places = new Map<string, number>();
  for (const { id, data } of events) {
    const { call, place } = (data ?? {}) as Data;
    if (call === undefined) continue;
    callOf.set(id, call);
    const at = places.get(call) ?? 0;
    if (place !== at) expect.fail(`${call}: place ${place} stands where ${at} belongs`);
    places.set(call, at + 1);
    if (outcomes.get(call) === 'not-appended') expect.fail(`${call} is there, and was not appended as it was told`);
  }
  for (const { call, ids = [], shown = [] } of told) {
    for (const id of [...ids, ...shown]) {
      const now = callOf.get(id);
      if (now !== undefined && now !== call) expect.fail(`${id} was shown for ${call} and names an event of ${now}`);
    }
  }
  return events;
}

/**
 * Open what a fault has left, without a fault, and compare; repeat what has keys and an unknown outcome, append, close, open
 * once more and compare again.
 */
export async function expectRecovered(dir: string, told: readonly Told[], segmentBytes = 65_536): Promise<void> {
  const all = [...told];
  for (let opening = 0; opening < 2; opening++) {
    const store = await openStore({ dir, segmentBytes, sealing: 'on-demand' });
    try {
      await expectKept(store, all);
      if (opening === 1) return;
      for (const { call, repeat } of told) {
        if (repeat !== undefined) all.push(acknowledged(call!, await store.append('one', repeat)));
      }
      const data = { call: `after.${all.length}`, place: 0, size: 1 };
      all.push(acknowledged(data.call, await store.append('one', { type: 'work.done', data })));
    } finally {
      await store.close();
    }
  }
}

function acknowledged(call: string, { ids, duplicate }: Appended): Told {
  return { call, outcome: 'acknowledged', ids, duplicate };
}

function acksOf(told: readonly Told[]): Ack[] {
  const acks: Ack[] = [];
  for (const { call, outcome, ids, duplicate } of told) {
    if (outcome === 'acknowledged') acks.push({ call: call!, ids: ids!, ...(duplicate === true && { duplicate }) });
  }
  return acks;
}
