/** Reads of a store or of a follower, each compared with what the model has for some length that may be durable. */
import { isDeepStrictEqual } from 'node:util';
import { expect } from 'vitest';
import {
  type Bound,
  isKeeperError,
  type ReadOptions,
  type ReadStreamOptions,
  type RecordedEvent,
  type Rows,
  type Selector,
  type StreamsOptions,
} from '../../dist/main/index.js';
import { difference, learnId } from './compare.js';
import { type Expected, expectedRead, expectedStream, expectedStreams, seen, timeOf } from './expected.js';
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
    subject.checkLog(await subject.store.read().toArray());
  }
  const options: ReadOptions = {
    ...asked,
    ...(from !== undefined && { from: boundOf(subject, from) }),
    ...(to !== undefined && { to: boundOf(subject, to) }),
    ...(after !== undefined && { after: boundOf(subject, after) }),
  } as ReadOptions;
  const store = await storeOf(subject, via);
  if (store === undefined) return;
  const lengths = subject.lengths(via);
  const { log } = subject.model;
  const rows = store.read(selector as object, options);
  const shown = await take(rows, taking);
  const differs = (expected: ExpectedRows): string | undefined =>
    taking === 'first' ? undefined : differentPosition(rows.position, expected, options);
  const expectedAt = (length: number): Expected => expectedRead(log.slice(0, length), selector, options);
  checkAgainst(subject, via, lengths, shown, taking, expectedAt, differs);
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
  const lengths = subject.lengths(via);
  const { log } = subject.model;
  const rows = store.readStream(stream, options);
  const shown = await take(rows, taking);
  const differs = (expected: ExpectedRows): string | undefined =>
    taking === 'first' ? undefined : differentPosition(rows.position, expected, options);
  const expectedAt = (length: number): Expected => expectedStream(log.slice(0, length), stream, options);
  checkAgainst(subject, via, lengths, shown, taking, expectedAt, differs);
}

export async function checkStreams(subject: Subject, via: Via, options: StreamsOptions): Promise<void> {
  const store = await storeOf(subject, via);
  if (store === undefined) return;
  const lengths = subject.lengths(via);
  const log = subject.model.log;
  const shown = await store.streams(options).toArray();
  const expected = lengths.map((length) => expectedStreams(log.slice(0, length), options));
  const found = expected.findIndex((list) => isDeepStrictEqual(list, shown));
  if (found === -1) expect.fail(`the streams are ${JSON.stringify(shown)}, not ${JSON.stringify(expected.at(-1))}`);
  subject.see(via, lengths[found]!);
}

export async function checkGet(subject: Subject, via: Via, place: Place): Promise<void> {
  const store = await storeOf(subject, via);
  if (store === undefined) return;
  const bound = boundOf(subject, place);
  if (bound instanceof Date || bound === 'start' || bound === 'end') return;
  const lengths = subject.lengths(via);
  const { log } = subject.model;
  const row = await store.get(bound);
  checkAgainst(subject, via, lengths, { rows: row === undefined ? [] : [row] }, 'toArray', (length) => {
    const rows = seen(log.slice(0, length)).filter(
      ({ id, sequence }) => bound === (typeof bound === 'string' ? id : sequence),
    );
    return { rows, high: length, cut: false };
  });
}

export async function checkHead(subject: Subject, via: Via, stream: string | undefined): Promise<void> {
  const store = await storeOf(subject, via);
  if (store === undefined) return;
  const lengths = subject.lengths(via);
  const { log } = subject.model;
  const head = await store.head(stream);
  const headAt = (length: number): Entry | undefined =>
    log.slice(0, length).findLast((entry) => stream === undefined || entry.stream === stream);
  const found = lengths.find((length) => headAt(length)?.sequence === head?.sequence);
  expect(found, `a length of ${lengths} at which ${head?.sequence} is the last`).toBeDefined();
  subject.see(via, found!);
  if (head === undefined) return;
  const entry = headAt(found!)!;
  learnId(entry, head.id);
  expect(head).toEqual({
    sequence: entry.sequence,
    id: entry.id,
    ...(stream !== undefined && { revision: entry.revision }),
  });
}

/** What is deleted is deleted at some moment in the middle of a read: so before or behind it. */
async function storeOf(subject: Subject, via: Via): Promise<Subject['store'] | undefined> {
  await subject.settleDeletions(via);
  return via === 'store' ? subject.store : subject.follower;
}

/** How a reading has ended. */
type Shown = { readonly rows: readonly RecordedEvent[] } | { readonly code: string };

async function take(rows: Rows<RecordedEvent>, taking: Taking): Promise<Shown> {
  const taken: RecordedEvent[] = [];
  try {
    if (taking === 'toArray') return { rows: await rows.toArray() };
    if (taking === 'batches') {
      for await (const batch of rows.batches()) {
        expect(batch.length, 'a batch is not empty').toBeGreaterThan(0);
        taken.push(...batch);
      }
    } else if (taking === 'iterate') for await (const row of rows) taken.push(row);
    else {
      const first = await rows.first();
      if (first !== undefined) taken.push(first);
    }
    return { rows: taken };
  } catch (error) {
    if (!isKeeperError(error)) throw error;
    return { code: error.code };
  }
}

/** Compare with what each length gives, of which one must fit. */
function checkAgainst(
  subject: Subject,
  via: Via,
  lengths: readonly number[],
  shown: Shown,
  taking: Taking,
  expectedAt: (length: number) => Expected,
  differsElse: (expected: ExpectedRows) => string | undefined = () => undefined,
): void {
  let why: string | undefined;
  for (const length of lengths) {
    const expected = expectedAt(length);
    const one = taking === 'first' && 'rows' in expected ? { ...expected, rows: expected.rows.slice(0, 1) } : expected;
    const differs = differenceOf(shown, one) ?? ('rows' in one ? differsElse(one) : undefined);
    if (differs !== undefined) {
      why = differs;
      continue;
    }
    if ('rows' in shown && 'rows' in one)
      for (const [i, entry] of one.rows.entries()) learnId(entry, shown.rows[i]!.id);
    subject.see(via, length);
    return;
  }
  expect.fail(`with ${lengths.join(' or ')} durable events, a read by the ${via}: ${why}`);
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
  if (place === 'unknown id') return `${'1'.repeat(19)}_1_nobody`;
  if ('sequence' in place) return place.sequence % (log.length + 3);
  const index = ('idOf' in place ? place.idOf : place.msOf) % Math.max(1, log.length);
  const entry = log[index];
  if (entry?.id === undefined) return 'start';
  if ('idOf' in place) return entry.id;
  // What was deleted before anybody was told its id has a time that nobody knows.
  return log.every(({ id }) => id !== undefined) ? new Date(timeOf(entry) + place.off) : 'start';
}
