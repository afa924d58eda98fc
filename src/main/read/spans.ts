/** Records that an index has named, in groups of those that lie near each other: each group is one read. */
import type { Direction } from '../../shared/portable/log.js';
import type { RecordPlaces } from './postings.js';

/** A span grows from the first size to the second, as more of them are wanted. Unit: bytes. */
const FIRST_SPAN_BYTES = 16 * 1024;
const LARGEST_SPAN_BYTES = 256 * 1024;
/** So many bytes between two records are rather read than left out. */
const NEAR_BYTES = 16 * 1024;

export interface Span {
  /** By their places in the segment, in the order of reading. */
  readonly ordinals: Uint32Array;
  /** Where each of them begins. Unit: bytes. */
  readonly starts: Float64Array;
  /** The part of the segment's file that holds them. Unit: bytes. */
  readonly offset: number;
  readonly end: number;
}

/** Records without those that take no bytes: they stand for nothing, as another one stands for what was removed with them. */
export function there(ordinals: Uint32Array, records: RecordPlaces): [ordinals: Uint32Array, records: RecordPlaces] {
  const { starts, ends } = records;
  const isThere = (_: number, place: number): boolean => ends[place]! > starts[place]!;
  if (ordinals.every(isThere)) return [ordinals, records];
  return [ordinals.filter(isThere), { starts: starts.filter(isThere), ends: ends.filter(isThere) }];
}

/**
 * Spans in the direction of reading.
 * @param ordinals ascending
 * @param records where each of them is
 */
export function* spansOf(ordinals: Uint32Array, { starts, ends }: RecordPlaces, direction: Direction): Generator<Span> {
  const backwards = direction === 'backwards';
  const next = (place: number): number => (backwards ? ordinals.length - 1 - place : place);
  let room = FIRST_SPAN_BYTES;
  for (let from = 0; from < ordinals.length; ) {
    let offset = starts[next(from)]!;
    let end = ends[next(from)]!;
    let to = from + 1;
    for (; to < ordinals.length; to++) {
      const first = starts[next(to)]!;
      const last = ends[next(to)]!;
      const near = first - end <= NEAR_BYTES && offset - last <= NEAR_BYTES;
      if (!near || Math.max(end, last) - Math.min(offset, first) > room) break;
      offset = Math.min(offset, first);
      end = Math.max(end, last);
    }
    const [low, high] = backwards ? [ordinals.length - to, ordinals.length - from] : [from, to];
    const span = ordinals.slice(low, high);
    const places = starts.slice(low, high);
    yield backwards
      ? { ordinals: span.reverse(), starts: places.reverse(), offset, end }
      : { ordinals: span, starts: places, offset, end };
    from = to;
    room = Math.min(2 * room, LARGEST_SPAN_BYTES);
  }
}
