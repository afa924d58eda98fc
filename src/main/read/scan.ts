/** Reading a range of the log in batches: every record that matches, in order, forwards or backwards. */
import { type Memory, recordLength, recordRevision } from '../../shared/format/record.js';
import type { Hole } from '../../shared/holes.js';
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
import { type Span, spansOf } from './spans.js';
import { storedEvent } from './stored-event.js';

/** A batch ends at so many events or bytes, and the thread is given back. */
const BATCH_EVENTS = 256;
const BATCH_BYTES = 128 * 1024;
/** Records looked at without a match before the thread is given back. */
const BATCH_LOOKS = 16_384;
/** A range of so few records is read through rather than indexed. */
const SMALL_RANGE = 2048;

/** What is looked for. */
export interface Search {
  readonly records: Records;
  readonly indexes: RawIndexes;
  readonly durable: number;
  readonly range: Range;
  readonly selectors: readonly ParsedSelector[];
  readonly limit: number;
  readonly signal: AbortSignal | undefined;
  /** Told of each hole in the range once the read has come to it. */
  readonly onHole: (hole: Hole) => void;
  /** Where the selector is a single stream: the revisions that are wanted, both inclusive. */
  readonly revisions?: { readonly lowest: number; readonly highest: number } | undefined;
}

type Event = RecordedEvent<any>;

/** The matching events of the range, in batches; ends early at the limit. Returns whether the whole range was seen. */
export async function* search(query: Search): AsyncGenerator<Batch<Event>, boolean, void> {
  let left = query.limit;
  if (left === 0) return false;
  for (const [segment, low, high] of segmentsOf(query)) {
    for await (const batch of searchSegment(query, segment, low, high)) {
      const rows = batch.length > left ? batch.slice(0, left) : batch;
      left -= rows.length;
      if (rows.length > 0) yield { rows, positionOf: (place) => rows[place]!.sequence };
      if (left === 0) return false;
    }
  }
  return true;
}

/** The segments of a range with the parts of it that each holds, in the order of reading. */
function* segmentsOf({ records, range, durable, onHole }: Search): Generator<[Segment, number, number]> {
  const { low, high, direction } = range;
  const forwards = direction === 'forwards';
  for (let next = forwards ? low : high; next >= low && next <= high; ) {
    const hole = records.holes.at(next);
    if (hole !== undefined) {
      onHole([Math.max(low, hole[0]), Math.min(high, hole[1])]);
      next = forwards ? hole[1] + 1 : hole[0] - 1;
      continue;
    }
    const [from, to] = records.holes.around(next);
    const segment = records.catalog.holding(next);
    const first = Math.max(low, from, segment.firstSequence);
    const last = Math.min(high, to, records.catalog.lastSequenceOf(segment, durable));
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
      const candidates = await narrowed(query, segment, index, index.candidates(selectors, low, high));
      const left = index.isExact(selectors) ? [] : selectors;
      yield* readCandidates({ ...query, selectors: left }, segment, index, candidates, checkAbort);
      return;
    }
  }
  yield* readThrough(query, sequences(low, high, range.direction), checkAbort);
}

/** Of the ascending candidates, those whose revisions are wanted: a stream's revisions are gapless as appended. */
async function narrowed(
  { records, revisions }: Search,
  segment: Segment,
  index: RawIndex,
  candidates: Uint32Array,
): Promise<Uint32Array> {
  const first = candidates[0];
  // Where events were given up, revisions may be missing too: then each record is looked at.
  if (first === undefined || revisions === undefined || records.holes.list.length > 0) return candidates;
  const { lowest, highest } = revisions;
  const offset = index.offsetAt(first);
  const memory = await records.loadSpan(segment, offset, index.endAt(first));
  segment.blocks.check(memory, 0, segment.firstSequence + first, records.seed, offset);
  const revision = recordRevision(memory.view, 0);
  return candidates.subarray(Math.max(0, lowest - revision), Math.max(0, highest - revision + 1));
}

/** Whether a record is looked for. */
function isWanted({ selectors, revisions }: Search, memory: Memory, at: number): boolean {
  if (selectors.length > 0 && !matches(selectors, new RecordHeader(memory, at))) return false;
  if (revisions === undefined) return true;
  const revision = recordRevision(memory.view, at);
  return revision >= revisions.lowest && revision <= revisions.highest;
}

/** What an index has named, span by span; each record is verified, and matched with the selectors that are left. */
async function* readCandidates(
  query: Search,
  segment: Segment,
  index: RawIndex,
  candidates: Uint32Array,
  checkAbort: () => void,
): AsyncGenerator<Event[]> {
  const { records, range } = query;
  const spans = spansOf(index, candidates, range.direction);
  let batch = new EventBatch(query.limit);
  try {
    for await (const [{ ordinals, offset }, memory] of loadAhead(records, segment, spans)) {
      checkAbort();
      for (const ordinal of ordinals) {
        const at = index.offsetAt(ordinal) - offset;
        segment.blocks.check(memory, at, segment.firstSequence + ordinal, records.seed, offset);
        if (isWanted(query, memory, at)) batch.add(memory, at, records.nodeId);
        else batch.skip();
        if (!batch.full) continue;
        const { events } = batch;
        batch = new EventBatch(query.limit);
        yield events;
        checkAbort();
      }
    }
  } catch (error) {
    // What comes before a place that does not verify is there to be read.
    yield batch.events;
    throw error;
  }
  yield batch.events;
}

/** The bytes of spans, of which one is read while the one before it is looked at. */
async function* loadAhead(
  records: Records,
  segment: Segment,
  spans: Iterator<Span>,
): AsyncGenerator<[span: Span, memory: Memory]> {
  const begin = (): [Span, Promise<Memory>] | undefined => {
    const { done, value: span } = spans.next();
    if (done === true) return undefined;
    const loading = records.loadSpan(segment, span.offset, span.end);
    loading.catch(() => {}); // raised where it is awaited, if that still happens
    return [span, loading];
  };
  for (let next = begin(); next !== undefined; ) {
    const [span, loading] = next;
    const memory = await loading;
    next = begin();
    yield [span, memory];
  }
}

/** Every record, through whole blocks. */
async function* readThrough(
  query: Search,
  sequences: Iterable<number>,
  checkAbort: () => void,
): AsyncGenerator<Event[]> {
  const { records, durable } = query;
  let batch = new EventBatch(query.limit);
  let run: Run | undefined;
  try {
    for (const sequence of sequences) {
      if (run === undefined || sequence < run.firstSequence || sequence > run.lastSequence) {
        const loading = records.load(sequence, durable);
        run = loading instanceof Promise ? await loading : loading;
      }
      const at = run.at(sequence);
      if (isWanted(query, run.memory, at)) batch.add(run.memory, at, records.nodeId);
      else batch.skip();
      if (!batch.full) continue;
      // The cache may move on while the batch is with its reader.
      if (run.fileOffset === -1) run = undefined;
      const { events } = batch;
      batch = new EventBatch(query.limit);
      yield events;
      checkAbort();
    }
  } catch (error) {
    // What comes before a place that does not verify is there to be read.
    yield batch.events;
    throw error;
  }
  yield batch.events;
}

/** Events until there are enough of them, or enough was looked at, to give the thread back. */
class EventBatch {
  readonly events: Event[] = [];
  readonly #most: number;
  #bytes = 0;
  #looks = 0;

  /** @param limit events that are wanted at most */
  constructor(limit: number) {
    this.#most = Math.min(limit, BATCH_EVENTS);
  }

  add(memory: Memory, at: number, nodeId: string): void {
    this.events.push(storedEvent(memory, at, nodeId));
    this.#bytes += recordLength(memory.view, at);
    this.#looks++;
  }

  skip(): void {
    this.#looks++;
  }

  get full(): boolean {
    return this.events.length >= this.#most || this.#bytes >= BATCH_BYTES || this.#looks >= BATCH_LOOKS;
  }
}

function* sequences(low: number, high: number, direction: Range['direction']): Generator<number> {
  if (direction === 'forwards') for (let sequence = low; sequence <= high; sequence++) yield sequence;
  else for (let sequence = high; sequence >= low; sequence--) yield sequence;
}
