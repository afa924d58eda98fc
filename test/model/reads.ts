/** Reads of a store or of a follower, each compared with what the model has for some length that may be durable. */
import { isDeepStrictEqual } from 'node:util';
import { expect } from 'vitest';
import {
  type Bound,
  isKeeperError,
  parseEventId,
  type ReadOptions,
  type ReadStreamOptions,
  type RecordedEvent,
  type Rows,
  type Selector,
  type StreamsOptions,
} from '../../dist/main/index.js';
import { difference, learnId } from './compare.js';
import { type Expected, expectedRead, expectedStream, expectedStreams, seen, timeOf, type View } from './expected.js';
import type { Looking } from './floors.js';
import type { Entry } from './model.js';
import type { Subject } from './subject.js';

export type Via = 'store' | 'follower';

/** A place in the log before it is known how long that is. */
export type Place =
  | { readonly sequence: number }
  | { readonly idOf: number }
  | { readonly msOf: number; readonly off: number }
  | 'start'
  | 'end'
  | 'unknown id';

/** How rows are taken. */
export type Taking = 'toArray' | 'batches' | 'iterate' | 'first';

export interface ReadAsked extends Omit<ReadOptions, 'from' | 'to' | 'after'> {
  readonly from?: Place;
  readonly to?: Place;
  readonly after?: Place;
}

export async function checkRead(
  subject: Subject,
  via: Via,
  selector: Selector | readonly Selector[],
  asked: ReadAsked,
  taking: Taking,
): Promise<void> {
  const { from, to, after } = asked;
  if ([from, to, after].some((place) => typeof place === 'object' && 'msOf' in place)) {
    // The time of each event is to be known.
    await subject.settle();
    await subject.checkAll('store');
  }
  const options: ReadOptions = {
    ...asked,
    ...(from !== undefined && { from: boundOf(subject, from) }),
    ...(to !== undefined && { to: boundOf(subject, to) }),
    ...(after !== undefined && { after: boundOf(subject, after) }),
  } as ReadOptions;
  const store = await storeOf(subject, via);
  if (store === undefined) return;
  const looking = subject.look(via);
  const rows = store.read(selector as object, options);
  const shown = await take(rows, taking);
  const differs = (expected: ExpectedRows): string | undefined =>
    taking === 'first' ? undefined : differentPosition(rows.position, expected, options);
  checkAgainst(subject, via, looking, shown, taking, (view) => expectedRead(view, selector, options), differs);
}

export async function checkStream(
  subject: Subject,
  via: Via,
  stream: string,
  options: ReadStreamOptions,
  taking: Taking,
): Promise<void> {
  const store = await storeOf(subject, via);
  if (store === undefined) return;
  const looking = subject.look(via);
  const rows = store.readStream(stream, options);
  const shown = await take(rows, taking);
  const differs = (expected: ExpectedRows): string | undefined =>
    taking === 'first' ? undefined : differentPosition(rows.position, expected, options);
  checkAgainst(subject, via, looking, shown, taking, (view) => expectedStream(view, stream, options), differs);
}

export async function checkStreams(subject: Subject, via: Via, options: StreamsOptions): Promise<void> {
  const store = await storeOf(subject, via);
  if (store === undefined) return;
  const looking = subject.look(via);
  const shown = await taken(() => store.streams(options).toArray());
  if (isOvertaken(via, looking, shown)) return;
  const views = looking.views();
  const expected = views.map((view) => expectedStreams(view, options));
  const found = expected.findIndex((list) => isDeepStrictEqual({ rows: list }, shown));
  if (found === -1) expect.fail(`the streams are ${JSON.stringify(shown)}, not ${JSON.stringify(expected.at(-1))}`);
  subject.see(via, views[found]!.log.length);
}

export async function checkGet(subject: Subject, via: Via, place: Place): Promise<void> {
  const store = await storeOf(subject, via);
  if (store === undefined) return;
  const bound = boundOf(subject, place);
  if (bound instanceof Date || bound === 'start' || bound === 'end') return;
  const looking = subject.look(via);
  const shown = await taken(async () => {
    const row = await store.get(bound);
    return row === undefined ? [] : [row];
  });
  checkAgainst(subject, via, looking, shown, 'toArray', (view) => {
    const { log, floor } = view;
    const sequence = typeof bound === 'string' ? parseEventId(bound)!.sequence : bound;
    if (sequence > 0 && sequence < floor && sequence <= log.length) return { code: 'ERR_PRUNED' };
    const rows = seen(view).filter((entry) => bound === (typeof bound === 'string' ? entry.id : entry.sequence));
    return { rows, high: log.length, cut: false };
  });
}

export async function checkHead(subject: Subject, via: Via, stream: string | undefined): Promise<void> {
  const store = await storeOf(subject, via);
  if (store === undefined) return;
  const looking = subject.look(via);
  const shown = await taken(async () => {
    const head = await store.head(stream);
    return head === undefined ? [] : [head];
  });
  if (isOvertaken(via, looking, shown)) return;
  const views = looking.views();
  const heads = views.map((view) => headIn(view, stream));
  const [head] = 'rows' in shown ? shown.rows : [];
  const is = 'code' in shown ? shown.code : head?.sequence;
  const found = heads.findIndex((one) => is === (typeof one === 'object' ? one.sequence : one));
  if (found === -1) {
    const meant = heads.map((one) => (typeof one === 'object' ? one.sequence : one));
    expect.fail(`the head of ${stream ?? 'the log'} for the ${via} is ${is}, not ${[...new Set(meant)].join(' or ')}`);
  }
  subject.see(via, views[found]!.log.length);
  const entry = heads[found];
  if (head === undefined || typeof entry !== 'object') return;
  learnId(entry, head.id);
  expect(head).toEqual({
    sequence: entry.sequence,
    id: entry.id,
    ...(stream !== undefined && { revision: entry.revision }),
  });
}

/** The last event of a log, or of a stream; the code of an error where that is gone, and the stream goes on from it. */
function headIn({ log, floor }: View, stream: string | undefined): Entry | 'ERR_PRUNED' | undefined {
  const last = log.findLast((entry) => stream === undefined || entry.stream === stream);
  if (last === undefined || last.sequence >= floor) return last;
  return stream === undefined ? undefined : 'ERR_PRUNED';
}

/** What is deleted is deleted at some moment in the middle of a read: so before or behind it. */
async function storeOf(subject: Subject, via: Via): Promise<Subject['store'] | undefined> {
  await subject.settleDeletions(via);
  return via === 'store' ? subject.store : subject.follower;
}

/** How a reading has ended. */
type Shown<T = RecordedEvent> = { readonly rows: readonly T[] } | { readonly code: string };

async function take(rows: Rows<RecordedEvent>, taking: Taking): Promise<Shown> {
  return taken(async () => {
    if (taking === 'toArray') return rows.toArray();
    const events: RecordedEvent[] = [];
    if (taking === 'batches') {
      for await (const batch of rows.batches()) {
        expect(batch.length, 'a batch is not empty').toBeGreaterThan(0);
        events.push(...batch);
      }
    } else if (taking === 'iterate') for await (const row of rows) events.push(row);
    else {
      const first = await rows.first();
      if (first !== undefined) events.push(first);
    }
    return events;
  });
}

export async function taken<T>(reading: () => Promise<readonly T[]>): Promise<Shown<T>> {
  try {
    return { rows: await reading() };
  } catch (error) {
    if (!isKeeperError(error)) throw error;
    return { code: error.code };
  }
}

/** Whether who follows, and holds nothing, was told that the log has gone on to begin later meanwhile. */
export function isOvertaken(via: Via, looking: Looking, shown: Shown<unknown>): boolean {
  return via === 'follower' && 'code' in shown && shown.code === 'ERR_PRUNED' && looking.hasMoved();
}

/** Compare with what each view gives, of which one must fit. */
export function checkAgainst(
  subject: Subject,
  via: Via,
  looking: Looking,
  shown: Shown,
  taking: Taking,
  expectedIn: (view: View) => Expected,
  differsElse: (expected: ExpectedRows) => string | undefined = () => undefined,
): void {
  if (isOvertaken(via, looking, shown)) return;
  const views = looking.views();
  let why: string | undefined;
  for (const view of views) {
    const one = taking === 'first' ? firstOf(expectedIn(view)) : expectedIn(view);
    const differs = differenceOf(shown, one) ?? ('rows' in one ? differsElse(one) : undefined);
    if (differs !== undefined) {
      why ??= differs;
      continue;
    }
    if ('rows' in shown && 'rows' in one)
      for (const [i, entry] of one.rows.entries()) learnId(entry, shown.rows[i]!.id);
    subject.see(via, view.log.length);
    return;
  }
  const tried = views.map(({ log, floor }) => `${floor} to ${log.length}`);
  expect.fail(`with the durable events ${tried.join(' or ')}, a read by the ${via}: ${why}`);
}

function firstOf(expected: Expected): Expected {
  const rows = 'rows' in expected ? expected.rows : (expected.before ?? []);
  if ('code' in expected && rows.length === 0) return expected;
  return { high: 0, cut: false, ...expected, rows: rows.slice(0, 1) };
}

function differenceOf(shown: Shown, expected: Expected): string | undefined {
  if ('code' in shown || 'code' in expected) {
    const [is, meant] = [shown, expected].map((one) => ('code' in one ? one.code : `${one.rows.length} rows`));
    return is === meant ? undefined : `it ends with ${is}, not with ${meant}`;
  }
  const sequences = (rows: readonly { readonly sequence: number }[]): string =>
    rows.map(({ sequence }) => sequence).join();
  const [is, meant] = [sequences(shown.rows), sequences(expected.rows)];
  if (is !== meant) return `it shows ${is}, not ${meant}`;
  for (const [i, row] of shown.rows.entries()) {
    const differs = difference(row, expected.rows[i]!);
    if (differs !== undefined) return differs;
  }
  return undefined;
}

type ExpectedRows = Extract<Expected, { rows: unknown }>;

/** `position` is where to go on: nothing that matches is passed over, and nothing comes again. */
function differentPosition(
  position: number,
  { rows, high, cut }: ExpectedRows,
  { direction, limit }: Pick<ReadOptions, 'direction' | 'limit'>,
): string | undefined {
  // At the limit it may have gone on to the end, where nothing more matches.
  const mayBeLast = direction !== 'backwards' && rows.length === limit;
  const last = mayBeLast ? (rows.at(-1)?.sequence ?? 0) : high;
  if (position === last || (position === high && !(mayBeLast && cut))) return undefined;
  return `its position is ${position}, not ${last}`;
}

function boundOf(subject: Subject, place: Place): Bound {
  const { log } = subject.model;
  if (place === 'start' || place === 'end') return place;
  if (place === 'unknown id') {
    // Of a deleted event that compaction has removed, nobody knows any more that it had another id.
    const [first] = seen({ log, floor: 1 });
    return `${'1'.repeat(19)}_${first?.sequence ?? 1}_nobody`;
  }
  if ('sequence' in place) return place.sequence % (log.length + 3);
  const index = ('idOf' in place ? place.idOf : place.msOf) % Math.max(1, log.length);
  const entry = log[index];
  if (entry?.id === undefined) return 'start';
  if ('idOf' in place) return entry.id;
  // What was deleted before anybody was told its id has a time that nobody knows; so has what is gone.
  const isKnown = log.slice(subject.floors.durable - 1).every(({ id }) => id !== undefined);
  return isKnown && entry.sequence >= subject.floors.durable ? new Date(timeOf(entry) + place.off) : 'start';
}
