/** Records that an index has named, in groups of those that lie near each other: each group is one read. */
import type { Direction } from '../../shared/portable/log.js';
import type { RawIndex } from './raw-index.js';

/** A span grows from the first size to the second, as more of them are wanted. Unit: bytes. */
const FIRST_SPAN_BYTES = 16 * 1024;
const LARGEST_SPAN_BYTES = 256 * 1024;
/** So many bytes between two records are rather read than left out. */
const NEAR_BYTES = 16 * 1024;

export interface Span {
  /** By their places in the segment, in the order of reading. */
  readonly ordinals: Uint32Array;
  /** The part of the segment's file that holds them. Unit: bytes. */
  readonly offset: number;
  readonly end: number;
}

/**
 * Spans in the direction of reading.
 * @param ordinals ascending
 */
export function* spansOf(index: RawIndex, ordinals: Uint32Array, direction: Direction): Generator<Span> {
  const backwards = direction === 'backwards';
  const next = (place: number): number => ordinals[backwards ? ordinals.length - 1 - place : place]!;
  let room = FIRST_SPAN_BYTES;
  for (let from = 0; from < ordinals.length; ) {
    let offset = index.offsetAt(next(from));
    let end = index.endAt(next(from));
    let to = from + 1;
    for (; to < ordinals.length; to++) {
      const first = index.offsetAt(next(to));
      const last = index.endAt(next(to));
      const near = first - end <= NEAR_BYTES && offset - last <= NEAR_BYTES;
      if (!near || Math.max(end, last) - Math.min(offset, first) > room) break;
      offset = Math.min(offset, first);
      end = Math.max(end, last);
    }
    const span = backwards ? ordinals.slice(ordinals.length - to, ordinals.length - from) : ordinals.slice(from, to);
    yield { ordinals: backwards ? span.reverse() : span, offset, end };
    from = to;
    room = Math.min(2 * room, LARGEST_SPAN_BYTES);
  }
}
