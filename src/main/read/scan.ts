/** Reading a range of the log in batches: every record that matches, in order, forwards or backwards. */
import { setImmediate as giveThreadBack } from 'node:timers/promises';
import type { Filtered } from '../../shared/filter-task.js';
import { memoryOf, recordLength, recordSequence } from '../../shared/format/record.js';
import { isKeeperError } from '../../shared/portable/errors.js';
import { ahead } from './ahead.js';
import type { Segment } from './catalog.js';
import { type Begun, begin } from './elsewhere.js';
import { loadAhead } from './load-spans.js';
import { checkAbort, type Listed, type Placed, piecesOf } from './pieces.js';
import { type Found, RowBatch } from './row-batch.js';
import type { Run } from './run.js';
import type { Search } from './search.js';
import { spansOf } from './spans.js';

/** What is found in the range, in batches; ends early at the limit. Returns whether the whole range was seen. */
export async function* search<T>(query: Search<T>): AsyncGenerator<Found<T>, boolean, void> {
  let left = query.limit;
  if (left === 0) return false;
  const { turns } = query.records.catalog;
  const forwards = query.range.direction === 'forwards';
  // Many reads end in the first segment: only those that go on look what comes next while they read.
  let segments = 0;
  const most = 2 + (query.sought.elsewhere?.pool.threads ?? 0);
  const begun = ahead(begin(query, piecesOf(query)), () => (segments < 2 ? 1 : most));
  for await (const next of begun) {
    const { piece } = next;
    if (piece.kind === 'segment') {
      segments++;
      query.lease.moveTo(forwards ? piece.low : undefined);
    }
    for await (const { rows, sequences, full } of read(query, next)) {
      query.lease.moveTo(forwards ? sequences.at(-1) : undefined);
      if (rows.length === 0) {
        if (full) await giveThreadBack();
        continue;
      }
      const over = turns.over();
      if (over !== undefined) await over;
      const enough = rows.length >= left;
      yield enough ? { rows: rows.slice(0, left), sequences: sequences.slice(0, left) } : { rows, sequences };
      if (enough) return false;
      left -= rows.length;
    }
  }
  return true;
}

async function* read<T>(query: Search<T>, { piece, filtered }: Begun): AsyncGenerator<RowBatch<T>> {
  checkAbort(query);
  switch (piece.kind) {
    case 'segment':
      return;
    case 'hole':
      query.onHole(piece.hole);
      return;
    case 'counted':
      piece.add();
      return;
    case 'listed':
      yield* readThrough(query, piece);
      return;
    case 'placed': {
      const found = await filtered;
      yield* found === undefined ? readSpans(query, piece) : takeFound(query, piece, found);
    }
  }
}

/** Records span by span; each is verified, and matched with what is left to be asked. */
async function* readSpans<T>(
  query: Search<T>,
  { segment, ordinals: places, records: where, exact }: Placed,
): AsyncGenerator<RowBatch<T>> {
  const { records, range } = query;
  const known = exact ? 'named' : 'unknown';
  const spans = spansOf(places, where, range.direction);
  let batch = new RowBatch(query);
  try {
    for await (const { spans: group, memory } of loadAhead(records, segment, spans)) {
      checkAbort(query);
      let from = 0;
      for (const { ordinals, starts, offset, end } of group) {
        for (let i = 0; i < ordinals.length; i++) {
          const at = from + starts[i]! - offset;
          const sequence = segment.firstSequence + ordinals[i]!;
          if (segment.blocks.verifies(memory, at, sequence, records.seed)) batch.look(memory, at, sequence, known);
          else {
            const run = await byBlocks(query, segment, sequence);
            if (run === undefined) throw segment.blocks.damaged(starts[i]!, sequence);
            batch.look(run.memory, run.at(sequence), sequence, known);
          }
          if (!batch.full) continue;
          const done = batch;
          batch = new RowBatch(query);
          yield done;
          checkAbort(query);
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

/** Every record of some sequences, through whole blocks. */
async function* readThrough<T>(query: Search<T>, { sequences, exact }: Listed): AsyncGenerator<RowBatch<T>> {
  const { records, durable } = query;
  const known = exact ? 'named' : 'unknown';
  let batch = new RowBatch(query);
  let run: Run | undefined;
  try {
    for (const sequence of sequences) {
      if (run === undefined || sequence < run.firstSequence || sequence > run.lastSequence) {
        const loading = records.load(sequence, durable);
        run = loading instanceof Promise ? await loading : loading;
      }
      batch.look(run.memory, run.at(sequence), sequence, known);
      if (!batch.full) continue;
      // The cache may move on while the batch is with its reader.
      if (run.fileOffset === -1) run = undefined;
      const done = batch;
      batch = new RowBatch(query);
      yield done;
      checkAbort(query);
    }
  } catch (error) {
    // What comes before a place that does not verify is there to be read.
    yield batch;
    throw error;
  }
  yield batch;
}

/** What the pool has found in a piece. */
function* takeFound<T>(query: Search<T>, { ordinals }: Placed, found: Filtered): Generator<RowBatch<T>> {
  const { sought, records, range } = query;
  records.onRead?.(found.bytesRead);
  sought.elsewhere?.onLooked(ordinals.length, found.decoded);
  const memory = memoryOf(Buffer.from(found.records.buffer, found.records.byteOffset, found.records.length));
  const starts: number[] = [];
  for (let at = 0; at < memory.bytes.length; at += recordLength(memory.view, at)) starts.push(at);
  if (range.direction === 'backwards') starts.reverse();
  let batch = new RowBatch(query);
  for (const at of starts) {
    batch.look(memory, at, recordSequence(memory.view, at), 'matched');
    if (!batch.full) continue;
    yield batch;
    checkAbort(query);
    batch = new RowBatch(query);
  }
  yield batch;
}
