/** A group commit being formed: the records of whole appends that the ring holds, with their checksums set. */
import { FLAG, recordFlags, recordSequence, recordTimestampNs, sealRecord } from '../../shared/format/record.js';
import type { RingConsumer } from '../../shared/ring/consumer.js';
import type { RingPlace } from '../../shared/ring/producer.js';

/** The body of a frame is this large at most, unless a single append is larger. Unit: bytes. */
export const FRAME_SOFT_LIMIT_BYTES = 1024 * 1024;

export interface Group {
  /** Where the records lie in the ring: one range, or two where it wraps. */
  readonly parts: readonly Uint8Array[];
  readonly bytes: number;
  readonly count: number;
  readonly firstSequence: number;
  readonly lastSequence: number;
  readonly lastTimestampNs: bigint;
  /** Whether a tombstone is among them. */
  readonly hasTombstone: boolean;
  /** Where the ring goes on after it. */
  readonly end: RingPlace;
}

/** A range of the ring. */
interface Range {
  readonly start: number;
  end: number;
}

/**
 * Take the appends that were published, up to the soft limit, or a single larger one.
 * @param seed of the store's record checksums
 */
export function takeGroup(consumer: RingConsumer, seed: number): Group | undefined {
  const { ring, view } = consumer.state;
  const head = consumer.loadHead();
  const start = consumer.place;
  const ranges: Range[] = [];
  let bytes = 0;
  let count = 0;
  // The end of the last whole append that fits. In numbers of its own: an object for each record would be garbage at once.
  let wholeBytes = 0;
  let wholeCount = 0;
  let flagsSeen = 0;
  let wholeFlags = 0;
  let lastAt = -1;
  let endPosition = 0;
  let endOffset = 0;
  for (let at = consumer.peek(head); at !== -1; at = consumer.peek(head)) {
    sealRecord(ring, view, at, seed);
    const flags = recordFlags(view, at);
    const isLast = (flags & FLAG.last) !== 0;
    flagsSeen |= flags;
    const length = consumer.advance();
    const range = ranges.at(-1);
    if (range !== undefined && range.end === at) range.end += length;
    else ranges.push({ start: at, end: at + length });
    bytes += length;
    count++;
    if (bytes > FRAME_SOFT_LIMIT_BYTES && wholeCount > 0) break;
    if (!isLast) continue;
    wholeBytes = bytes;
    wholeCount = count;
    wholeFlags = flagsSeen;
    lastAt = at;
    endPosition = consumer.position;
    endOffset = consumer.offset;
    if (bytes >= FRAME_SOFT_LIMIT_BYTES) break;
  }
  if (wholeCount === 0) {
    consumer.moveTo(start);
    return undefined;
  }
  const end = { position: endPosition, offset: endOffset };
  consumer.moveTo(end);
  const lastSequence = recordSequence(view, lastAt);
  return {
    parts: cut(ranges, wholeBytes).map((range) => ring.subarray(range.start, range.end)),
    bytes: wholeBytes,
    count: wholeCount,
    firstSequence: lastSequence - wholeCount + 1,
    lastSequence,
    lastTimestampNs: recordTimestampNs(view, lastAt),
    hasTombstone: (wholeFlags & FLAG.tombstone) !== 0,
    end,
  };
}

/** The first so many bytes of some ranges. */
function cut(ranges: readonly Range[], bytes: number): Range[] {
  const kept: Range[] = [];
  let left = bytes;
  for (const { start, end } of ranges) {
    if (left === 0) break;
    const length = Math.min(left, end - start);
    kept.push({ start, end: start + length });
    left -= length;
  }
  return kept;
}
