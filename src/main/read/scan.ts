/** Reading a range of the log in batches: every record that matches, in order, forwards or backwards. */
import { recordLength } from '../../shared/format/record.js';
import { aborted } from '../../shared/portable/errors.js';
import type { RecordedEvent } from '../../shared/portable/events.js';
import { matches, type ParsedSelector } from '../../shared/portable/selector.js';
import type { Range } from './bounds.js';
import type { Segment } from './catalog.js';
import type { RawIndex, RawIndexes } from './raw-index.js';
import { RecordHeader } from './record-header.js';
import type { Records } from './records.js';
import type { Batch } from './rows.js';
import type { Run } from './run.js';
import { storedEvent } from './stored-event.js';

/** A batch ends at so many events or bytes, and the thread is given back. */
const BATCH_EVENTS = 256;
const BATCH_BYTES = 128 * 1024;
/** Records looked at without a match before the thread is given back. */
const BATCH_LOOKS = 16_384;
/** A range of so few records is read through rather than indexed. */
const SMALL_RANGE = 2048;
/** With one candidate in so many records, or fewer, each is read by itself. */
const SPARSE = 16;

/** What is looked for. */
export interface Search {
  readonly records: Records;
  readonly indexes: RawIndexes;
  readonly durable: number;
  readonly range: Range;
  readonly selectors: readonly ParsedSelector[];
  readonly limit: number;
  readonly signal: AbortSignal | undefined;
  /** Of the candidates in a segment, those that can be meant; the default is all of them. */
  readonly narrow?: (segment: Segment, index: RawIndex, candidates: number[]) => Promise<number[]>;
}

type Event = RecordedEvent<any>;

/** The matching events of the range, in batches; ends early at the limit. Returns whether the whole range was seen. */
export async function* search(query: Search): AsyncGenerator<Batch<Event>, boolean, void> {
  const { range, records, durable } = query;
  let left = query.limit;
  if (left === 0) return false;
  for (const [segment, low, high] of segmentsOf(records, range, durable)) {
    for await (const batch of searchSegment(query, segment, low, high)) {
      const rows = batch.length > left ? batch.slice(0, left) : batch;
      left -= rows.length;
      if (rows.length > 0) yield { rows, positionOf: (place) => rows[place]!.sequence };
      if (left === 0) return false;
    }
  }
  return true;
}

/** The segments of a range with the part of it that each holds, in the order of reading. */
function* segmentsOf(
  records: Records,
  { low, high, direction }: Range,
  durable: number,
): Generator<[Segment, number, number]> {
  const forwards = direction === 'forwards';
  for (let next = forwards ? low : high; next >= low && next <= high; ) {
    const segment = records.catalog.find(next);
    if (segment === undefined) return;
    const first = Math.max(low, segment.firstSequence);
    const last = Math.min(high, records.catalog.lastSequenceOf(segment, durable));
    yield [segment, first, last];
    next = forwards ? last + 1 : first - 1;
  }
}

async function* searchSegment(query: Search, segment: Segment, low: number, high: number): AsyncGenerator<Event[]> {
  const { selectors, indexes, signal, range } = query;
  const checkAbort = (): void => {
    if (signal?.aborted === true) throw aborted(signal, 'the read');
  };
  checkAbort();
  if (selectors.length > 0 && high - low >= SMALL_RANGE) {
    const index = await indexes.get(segment, high, checkAbort);
    if (index !== undefined) {
      let candidates = index.candidates(selectors).filter((sequence) => sequence >= low && sequence <= high);
      if (query.narrow !== undefined) candidates = await query.narrow(segment, index, candidates);
      if (range.direction === 'backwards') candidates.reverse();
      if (candidates.length * SPARSE <= high - low) yield* readEach(query, segment, index, candidates, checkAbort);
      else yield* readThrough(query, candidates, checkAbort);
      return;
    }
  }
  yield* readThrough(query, sequences(low, high, range.direction), checkAbort);
}

/** Sparse candidates: each with a read of its own. */
async function* readEach(
  { records, selectors }: Search,
  segment: Segment,
  index: RawIndex,
  candidates: readonly number[],
  checkAbort: () => void,
): AsyncGenerator<Event[]> {
  let batch: Event[] = [];
  for (const sequence of candidates) {
    checkAbort();
    const memory = await records.loadAt(segment, sequence, index.offsetOf(sequence));
    if (matches(selectors, new RecordHeader(memory, 0))) batch.push(storedEvent(memory, 0, records.nodeId));
    if (batch.length < BATCH_EVENTS) continue;
    yield batch;
    batch = [];
  }
  yield batch;
}

/** Dense candidates, or every record: through whole blocks. */
async function* readThrough(
  { records, selectors, durable }: Search,
  candidates: Iterable<number>,
  checkAbort: () => void,
): AsyncGenerator<Event[]> {
  let batch: Event[] = [];
  let bytes = 0;
  let looks = 0;
  let run: Run | undefined;
  for (const sequence of candidates) {
    if (run === undefined || sequence < run.firstSequence || sequence > run.lastSequence) {
      const loading = records.load(sequence, durable);
      run = loading instanceof Promise ? await loading : loading;
    }
    const at = run.at(sequence);
    if (selectors.length === 0 || matches(selectors, new RecordHeader(run.memory, at))) {
      batch.push(storedEvent(run.memory, at, records.nodeId));
      bytes += recordLength(run.memory.view, at);
    }
    if (batch.length < BATCH_EVENTS && bytes < BATCH_BYTES && ++looks < BATCH_LOOKS) continue;
    // The cache may move on while the batch is with its reader.
    if (run.fileOffset === -1) run = undefined;
    yield batch;
    checkAbort();
    batch = [];
    bytes = looks = 0;
  }
  yield batch;
}

function* sequences(low: number, high: number, direction: Range['direction']): Generator<number> {
  if (direction === 'forwards') for (let sequence = low; sequence <= high; sequence++) yield sequence;
  else for (let sequence = high; sequence >= low; sequence--) yield sequence;
}
