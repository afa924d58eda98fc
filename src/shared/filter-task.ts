/** Records that an index has named, looked at in the pool: which of them a predicate matches, by what only a payload tells. */
import type { Predicate } from './portable/query/predicate.js';

/** Some records of a segment, and what is asked of them. */
export interface FilterWork {
  readonly firstSequence: number;
  /** By their places in the segment, ascending; and where each begins and ends in the raw segment, in bytes. */
  readonly ordinals: Uint32Array;
  readonly starts: Float64Array;
  readonly ends: Float64Array;
  readonly predicate: Predicate;
  /** Of the store's record checksums. */
  readonly seed: number;
  /** Third part of the store's ids. */
  readonly nodeId: string;
}

/** What was found. */
export interface Filtered {
  /** Those that match, as they are, one behind the other. */
  readonly records: Uint8Array;
  /** How many payloads were decoded. */
  readonly decoded: number;
  /** From files. */
  readonly bytesRead: number;
}
