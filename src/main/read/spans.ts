/** Records that an index has named, in groups of those that lie near each other: each group is one read. */
import type { RawIndex } from './raw-index.js';

/** A span grows from the first size to the second, as more of them are wanted. Unit: bytes. */
const FIRST_SPAN_BYTES = 16 * 1024;
const LARGEST_SPAN_BYTES = 256 * 1024;
/** So many bytes between two records are rather read than left out. */
const NEAR_BYTES = 16 * 1024;

export interface Span {
  readonly sequences: readonly number[];
  /** The part of the segment's file that holds them. Unit: bytes. */
  readonly offset: number;
  readonly end: number;
}

/** @param sequences in ascending or descending order, which is that of the spans as well */
export function* spansOf(index: RawIndex, sequences: readonly number[]): Generator<Span> {
  let room = FIRST_SPAN_BYTES;
  for (let from = 0; from < sequences.length; ) {
    let offset = index.offsetOf(sequences[from]!);
    let end = index.endOf(sequences[from]!);
    let to = from + 1;
    for (; to < sequences.length; to++) {
      const first = index.offsetOf(sequences[to]!);
      const last = index.endOf(sequences[to]!);
      const near = first - end <= NEAR_BYTES && offset - last <= NEAR_BYTES;
      if (!near || Math.max(end, last) - Math.min(offset, first) > room) break;
      offset = Math.min(offset, first);
      end = Math.max(end, last);
    }
    yield { sequences: sequences.slice(from, to), offset, end };
    from = to;
    room = Math.min(2 * room, LARGEST_SPAN_BYTES);
  }
}
