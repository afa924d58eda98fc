/**
 * Listing streams by name. Names are only in the log itself, so each page is a pass over it: one that keeps the smallest
 * names of those that are wanted, whatever their number.
 */

import { RecordHeader } from '../../shared/decoding/record-header.js';
import { recordRevision } from '../../shared/format/record.js';
import { isRemoved } from '../../shared/format/removed-record.js';
import { aborted } from '../../shared/portable/errors.js';
import type { StreamInfo, StreamsOptions } from '../../shared/portable/log.js';
import type { Indexes } from './indexes.js';
import type { Lease } from './leases.js';
import type { ValuePlaces } from './postings.js';
import type { Records } from './records.js';
import type { Batches } from './rows.js';
import type { TombstonesInForce } from './tombstones.js';

/** Names that one pass brings home. */
const PAGE_STREAMS = 10_000;

/**
 * Streams sorted by name; the position is that of the last durable event. One whose events retention has all removed is not among
 * them: its name is nowhere.
 */
export async function* listStreams(records: Records, indexes: Indexes, options: StreamsOptions): Batches<StreamInfo> {
  const over = records.catalog.turns.over();
  if (over !== undefined) await over;
  const lease = records.lease();
  try {
    return yield* list(records, indexes, options, lease);
  } finally {
    lease.end();
  }
}

async function* list(records: Records, indexes: Indexes, options: StreamsOptions, lease: Lease): Batches<StreamInfo> {
  const { prefix = '', limit = Number.POSITIVE_INFINITY, signal } = options;
  const { tombstones } = records;
  const durable = records.durable();
  // Where the first segment is lost, streams may be missing.
  if (durable >= records.floor && records.holes.at(records.floor) === undefined) records.catalog.holding(records.floor);
  let { after = '' } = options;
  let left = limit;
  const checkAbort = (): void => {
    if (signal?.aborted === true) throw aborted(signal, 'the listing');
  };
  while (left > 0) {
    const size = Math.min(PAGE_STREAMS, left);
    const page = new Page(prefix, after, size, tombstones);
    for (const segment of records.catalog.segments) {
      lease.moveTo();
      const last = records.catalog.lastSequenceOf(segment, durable);
      if (last < segment.firstSequence) continue;
      const index = await indexes.open(segment, segment.firstSequence, last, checkAbort);
      const told = await index?.ask(async (asked) => {
        for await (const list of asked.ofEach('stream', prefix)) {
          checkAbort();
          page.add(await rangeOf(list, segment.firstSequence, last));
        }
        return true;
      });
      if (told === true) continue;
      for await (const range of scanStreams(records, segment.firstSequence, last, checkAbort)) page.add(range);
    }
    const ranges = page.smallest();
    const rows: StreamInfo[] = [];
    for (const range of ranges) {
      checkAbort();
      // With nothing behind its tombstone it is deleted.
      if (range.lastSequence === tombstones.of(range.stream)) continue;
      const memory = await records.loadOne(range.lastSequence, durable);
      rows.push({ ...range, revision: recordRevision(memory.view, 0) });
    }
    if (rows.length > 0) yield { rows, positionOf: () => durable };
    if (ranges.length < size) break;
    left -= rows.length;
    after = ranges.at(-1)!.stream;
  }
  return durable;
}

/** The first and the last record of a stream in a segment. */
interface StreamRange {
  readonly stream: string;
  readonly firstSequence: number;
  readonly lastSequence: number;
}

/** What of a stream is not behind a sequence: an index may know more by now. */
async function rangeOf(
  { value: stream, first, last, within }: ValuePlaces,
  base: number,
  upTo: number,
): Promise<StreamRange | undefined> {
  if (base + last <= upTo) return { stream, firstSequence: base + first, lastSequence: base + last };
  const places = await within(base, upTo);
  if (places.length === 0) return undefined;
  return { stream, firstSequence: base + places[0]!, lastSequence: base + places.at(-1)! };
}

/** The smallest names after one, with a prefix. */
class Page {
  readonly #prefix: string;
  readonly #after: string;
  readonly #size: number;
  readonly #tombstones: TombstonesInForce;
  #ranges = new Map<string, StreamRange>();
  /** Names from this one on are on a later page. */
  #end: string | undefined;

  constructor(prefix: string, after: string, size: number, tombstones: TombstonesInForce) {
    this.#tombstones = tombstones;
    this.#prefix = prefix;
    this.#after = after;
    this.#size = size;
  }

  /** Take in where a stream stands; later ranges of it come later. */
  add(range: StreamRange | undefined): void {
    if (range === undefined) return;
    const { stream } = range;
    if (!stream.startsWith(this.#prefix) || stream <= this.#after) return;
    if (this.#end !== undefined && stream >= this.#end) return;
    // What is before its tombstone is deleted; the tombstone is its first event that is seen.
    const tombstone = this.#tombstones.of(stream);
    if (range.lastSequence < tombstone) return;
    const known = this.#ranges.get(stream);
    const firstSequence = known?.firstSequence ?? Math.max(range.firstSequence, tombstone);
    this.#ranges.set(stream, { ...range, firstSequence });
    if (this.#ranges.size >= this.#size * 2 + 1024) this.#cut();
  }

  smallest(): StreamRange[] {
    this.#cut();
    return [...this.#ranges.values()];
  }

  #cut(): void {
    const sorted = [...this.#ranges.values()].sort((a, b) => (a.stream < b.stream ? -1 : 1));
    this.#end = sorted[this.#size]?.stream ?? this.#end;
    this.#ranges = new Map(sorted.slice(0, this.#size).map((range) => [range.stream, range]));
  }
}

/** The stream of each record, where there is no index to tell. */
async function* scanStreams(
  records: Records,
  firstSequence: number,
  lastSequence: number,
  checkAbort: () => void,
): AsyncGenerator<StreamRange> {
  for (let next = firstSequence; next <= lastSequence; ) {
    checkAbort();
    next = records.holes.skip(next);
    if (next > lastSequence) return;
    const run = await records.catalog.load(next, lastSequence);
    const end = Math.min(run.lastSequence, lastSequence);
    for (; next <= end; next++) {
      const at = run.at(next);
      if (isRemoved(run.memory.view, at)) continue;
      const { stream } = new RecordHeader(run.memory, at);
      yield { stream, firstSequence: next, lastSequence: next };
    }
  }
}
