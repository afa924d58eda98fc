/** Reading a range of the log in batches: every record that matches, in order, forwards or backwards. */
import { setImmediate as giveThreadBack } from 'node:timers/promises';
import { type Memory, recordLength } from '../../shared/format/record.js';
import type { Hole } from '../../shared/holes.js';
import { aborted } from '../../shared/portable/errors.js';
import type { Range } from './bounds.js';
import type { Catalog, Segment } from './catalog.js';
import type { Lease } from './leases.js';
import type { RawIndex, RawIndexes } from './raw-index.js';
import type { Records } from './records.js';
import type { Run } from './run.js';
import type { Candidates, Sought } from './sought.js';
import { type Span, spansOf } from './spans.js';

/** A batch ends at so many rows or bytes of them and of what was decoded in vain, and the thread is given back. */
const BATCH_ROWS = 256;
const BATCH_BYTES = 128 * 1024;
/** A read that has not waited for anything gives the thread back after so long. */
const TURN_MS = 5;
/** Records looked at without a match before the thread is given back. */
const BATCH_LOOKS = 16_384;
/** A range of so few records is read through rather than indexed. */
const SMALL_RANGE = 2048;

/** What is looked for. */
export interface Search<T> {
  readonly records: Records;
  readonly indexes: RawIndexes;
  readonly durable: number;
  readonly range: Range;
  readonly sought: Sought<T>;
  readonly limit: number;
  readonly signal: AbortSignal | undefined;
  /** Follows the search; whoever has taken it ends it. */
  readonly lease: Lease;
  /** Told of each hole in the range once the read has come to it. */
  readonly onHole: (hole: Hole) => void;
}

/** Some of what was found, each row with its sequence. */
export interface Found<T> {
  readonly rows: T[];
  readonly sequences: readonly number[];
}

/** What is found in the range, in batches; ends early at the limit. Returns whether the whole range was seen. */
export async function* search<T>(query: Search<T>): AsyncGenerator<Found<T>, boolean, void> {
  let left = query.limit;
  if (left === 0) return false;
  const turn = new Turn(query.records);
  const forwards = query.range.direction === 'forwards';
  for (const [segment, low, high] of segmentsOf(query)) {
    query.lease.moveTo(forwards ? low : undefined);
    for await (const { rows, sequences, full } of searchSegment(query, segment, low, high)) {
      query.lease.moveTo(forwards ? sequences.at(-1) : undefined);
      if (rows.length === 0) {
        if (full) await giveThreadBack();
        continue;
      }
      if (turn.isOver()) await giveThreadBack();
      const enough = rows.length >= left;
      yield enough ? { rows: rows.slice(0, left), sequences: sequences.slice(0, left) } : { rows, sequences };
      if (enough) return false;
      left -= rows.length;
    }
  }
  return true;
}

/** When the thread is to be given back: what is read at once, or from the cache, awaits nothing. */
class Turn {
  readonly #catalog: Catalog;
  #waits = -1;
  #began = 0;

  constructor({ catalog }: Records) {
    this.#catalog = catalog;
  }

  /** To be asked between batches. */
  isOver(): boolean {
    const { waits } = this.#catalog;
    const now = performance.now();
    const over = waits === this.#waits && now - this.#began >= TURN_MS;
    if (over || waits !== this.#waits) this.#began = now;
    this.#waits = waits;
    return over;
  }
}

/** The segments of a range with the parts of it that each holds, in the order of reading. */
function* segmentsOf({ records, range, durable, onHole }: Search<unknown>): Generator<[Segment, number, number]> {
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

async function* searchSegment<T>(
  query: Search<T>,
  segment: Segment,
  low: number,
  high: number,
): AsyncGenerator<RowBatch<T>> {
  const { records, sought, indexes, signal, range } = query;
  const checkAbort = (): void => {
    if (signal?.aborted === true) throw aborted(signal, 'the read');
  };
  checkAbort();
  if (sought.isSelective && high - low >= SMALL_RANGE) {
    const index = await indexes.get(segment, high, checkAbort, records);
    const candidates = index && (await sought.candidates(segment, index, low, high));
    if (index !== undefined && candidates !== undefined) {
      yield* readCandidates(query, segment, index, candidates, checkAbort);
      return;
    }
  }
  yield* readThrough(query, sequences(low, high, range.direction), checkAbort);
}

/** What an index has named, span by span; each record is verified, and matched with the selectors that are left. */
async function* readCandidates<T>(
  query: Search<T>,
  segment: Segment,
  index: RawIndex,
  { ordinals: candidates, exact }: Candidates,
  checkAbort: () => void,
): AsyncGenerator<RowBatch<T>> {
  const { records, range } = query;
  const spans = spansOf(index, candidates, range.direction);
  let batch = new RowBatch(query);
  try {
    for await (const [{ ordinals, offset }, memory] of loadAhead(records, segment, spans)) {
      checkAbort();
      for (const ordinal of ordinals) {
        const at = index.offsetAt(ordinal) - offset;
        const sequence = segment.firstSequence + ordinal;
        segment.blocks.check(memory, at, sequence, records.seed, offset);
        batch.look(memory, at, sequence, exact);
        if (!batch.full) continue;
        const done = batch;
        batch = new RowBatch(query);
        yield done;
        checkAbort();
      }
    }
  } catch (error) {
    // What comes before a place that does not verify is there to be read.
    yield batch;
    throw error;
  }
  yield batch;
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
async function* readThrough<T>(
  query: Search<T>,
  sequences: Iterable<number>,
  checkAbort: () => void,
): AsyncGenerator<RowBatch<T>> {
  const { records, durable } = query;
  let batch = new RowBatch(query);
  let run: Run | undefined;
  try {
    for (const sequence of sequences) {
      if (run === undefined || sequence < run.firstSequence || sequence > run.lastSequence) {
        const loading = records.load(sequence, durable);
        run = loading instanceof Promise ? await loading : loading;
      }
      batch.look(run.memory, run.at(sequence), sequence, false);
      if (!batch.full) continue;
      // The cache may move on while the batch is with its reader.
      if (run.fileOffset === -1) run = undefined;
      const done = batch;
      batch = new RowBatch(query);
      yield done;
      checkAbort();
    }
  } catch (error) {
    // What comes before a place that does not verify is there to be read.
    yield batch;
    throw error;
  }
  yield batch;
}

/** Rows until there are enough of them, or enough was looked at, to give the thread back. */
class RowBatch<T> implements Found<T> {
  readonly rows: T[] = [];
  readonly sequences: number[] = [];
  readonly #sought: Sought<T>;
  readonly #most: number;
  #bytes = 0;
  #looks = 0;

  constructor({ sought, limit }: Search<T>) {
    this.#sought = sought;
    this.#most = Math.min(limit, BATCH_ROWS);
  }

  /** @param exact whether it is known to be one that is looked for */
  look(memory: Memory, at: number, sequence: number, exact: boolean): void {
    const decoded = this.#sought.decodedBytes;
    const row = this.#sought.take(memory, at, exact);
    this.#looks++;
    this.#bytes += this.#sought.decodedBytes - decoded;
    if (row === undefined) return;
    this.rows.push(row);
    this.sequences.push(sequence);
    this.#bytes += recordLength(memory.view, at);
  }

  get full(): boolean {
    return this.rows.length >= this.#most || this.#bytes >= BATCH_BYTES || this.#looks >= BATCH_LOOKS;
  }
}

function* sequences(low: number, high: number, direction: Range['direction']): Generator<number> {
  if (direction === 'forwards') for (let sequence = low; sequence <= high; sequence++) yield sequence;
  else for (let sequence = high; sequence >= low; sequence--) yield sequence;
}
