/** Reading a range of the log in batches: every record that matches, in order, forwards or backwards. */
import { setImmediate as giveThreadBack } from 'node:timers/promises';
import type { Hole } from '../../shared/holes.js';
import { aborted, isKeeperError } from '../../shared/portable/errors.js';
import type { Direction } from '../../shared/portable/log.js';
import type { Range } from './bounds.js';
import type { Catalog, Segment } from './catalog.js';
import type { Indexes, IndexInUse } from './indexes.js';
import type { Lease } from './leases.js';
import { loadAhead } from './load-spans.js';
import type { Records } from './records.js';
import { type Found, RowBatch } from './row-batch.js';
import type { Run } from './run.js';
import type { Candidates, Sought } from './sought.js';
import { type Span, spansOf, there } from './spans.js';

/** A read that has not waited for anything gives the thread back after so long. */
const TURN_MS = 5;
/** Of what an index has named it is asked where so many are at first, and then at a time. */
const FIRST_PLACES = 512;
const MORE_PLACES = 4096;

/** What is looked for. */
export interface Search<T> {
  readonly records: Records;
  readonly indexes: Indexes;
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
  const index = sought.isSelective ? await indexes.open(segment, low, high, checkAbort, records) : undefined;
  if (index === undefined) {
    yield* readAll(query, segment, low, high, checkAbort);
    return;
  }
  for (const [from, to] of windows(low, high, sought.windowRecords, range.direction)) {
    checkAbort();
    const candidates = await index.ask((asked) => sought.candidates(segment, asked, from, to));
    if (candidates === undefined) yield* readThrough(query, sequences(from, to, range.direction), false, checkAbort);
    else yield* readCandidates(query, segment, index, candidates, checkAbort);
  }
}

/** A whole range, from where an index file says that it is, where blocks would have to be looked at to find it. */
async function* readAll<T>(
  query: Search<T>,
  segment: Segment,
  low: number,
  high: number,
  checkAbort: () => void,
): AsyncGenerator<RowBatch<T>> {
  const { records, indexes, range } = query;
  const isNear = segment.blocks.isNear(range.direction === 'forwards' ? low : high);
  const index = isNear ? undefined : await indexes.openFile(segment, records);
  if (index === undefined) {
    yield* readThrough(query, sequences(low, high, range.direction), false, checkAbort);
    return;
  }
  for (const [from, to] of windows(low, high, MORE_PLACES, range.direction)) {
    const ordinals = Uint32Array.from({ length: to - from + 1 }, (_, i) => from - segment.firstSequence + i);
    yield* readCandidates(query, segment, index, { ordinals, exact: false }, checkAbort);
  }
}

/** Parts of a range, in the direction of reading: of a list that is long, no more than one is in memory. */
function* windows(low: number, high: number, size: number, direction: Direction): Generator<[number, number]> {
  if (direction === 'forwards') {
    for (let from = low; from <= high; from += size) yield [from, Math.min(high, from + size - 1)];
  } else {
    for (let to = high; to >= low; to -= size) yield [Math.max(low, to - size + 1), to];
  }
}

/** What an index has named, some at a time, as it tells where they are. */
async function* readCandidates<T>(
  query: Search<T>,
  segment: Segment,
  index: IndexInUse,
  { ordinals, exact }: Candidates,
  checkAbort: () => void,
): AsyncGenerator<RowBatch<T>> {
  const { direction } = query.range;
  const forwards = direction === 'forwards';
  for (let done = 0, size = FIRST_PLACES; done < ordinals.length; done += size, size = MORE_PLACES) {
    const rest = ordinals.length - done;
    const some = forwards ? ordinals.subarray(done, done + size) : ordinals.subarray(Math.max(0, rest - size), rest);
    const records = await index.ask((asked) => asked.recordsAt(some));
    if (records !== undefined) {
      yield* readSpans(query, segment, spansOf(...there(some, records), direction), exact, checkAbort);
    } else {
      const wanted = Array.from(some, (ordinal) => segment.firstSequence + ordinal);
      yield* readThrough(query, forwards ? wanted : wanted.reverse(), exact, checkAbort);
    }
  }
}

/** Records span by span; each is verified, and matched with what is left to be asked. */
async function* readSpans<T>(
  query: Search<T>,
  segment: Segment,
  spans: Iterator<Span>,
  exact: boolean,
  checkAbort: () => void,
): AsyncGenerator<RowBatch<T>> {
  const { records } = query;
  let batch = new RowBatch(query);
  try {
    for await (const { spans: group, memory } of loadAhead(records, segment, spans)) {
      checkAbort();
      let from = 0;
      for (const { ordinals, starts, offset, end } of group) {
        for (let i = 0; i < ordinals.length; i++) {
          const at = from + starts[i]! - offset;
          const sequence = segment.firstSequence + ordinals[i]!;
          if (segment.blocks.verifies(memory, at, sequence, records.seed)) batch.look(memory, at, sequence, exact);
          else {
            const run = await byBlocks(query, segment, sequence);
            if (run === undefined) throw segment.blocks.damaged(starts[i]!, sequence);
            batch.look(run.memory, run.at(sequence), sequence, exact);
          }
          if (!batch.full) continue;
          const done = batch;
          batch = new RowBatch(query);
          yield done;
          checkAbort();
        }
        from += end - offset;
      }
    }
  } catch (error) {
    // What comes before a place that does not verify is there to be read.
    yield batch;
    throw error;
  }
  yield batch;
}

/**
 * What an index has named, where it is not in the place that it tells: index and segment may be from both sides of a compaction.
 * Undefined where it does not verify.
 */
async function byBlocks(
  { records, durable }: Search<unknown>,
  segment: Segment,
  sequence: number,
): Promise<Run | undefined> {
  const last = records.catalog.lastSequenceOf(segment, durable);
  try {
    return await records.catalog.run(segment, segment.blocks.load(sequence, last), records.onRead);
  } catch (error) {
    if (isKeeperError(error, 'ERR_CORRUPT')) return undefined;
    throw error;
  }
}

/**
 * Every record of some sequences, through whole blocks.
 * @param exact whether they are known to be looked for
 */
async function* readThrough<T>(
  query: Search<T>,
  sequences: Iterable<number>,
  exact: boolean,
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
      batch.look(run.memory, run.at(sequence), sequence, exact);
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

function* sequences(low: number, high: number, direction: Range['direction']): Generator<number> {
  if (direction === 'forwards') for (let sequence = low; sequence <= high; sequence++) yield sequence;
  else for (let sequence = high; sequence >= low; sequence--) yield sequence;
}
