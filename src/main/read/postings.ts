/** What is asked of the index of a segment, wherever it is kept: in memory or in a file. */
import type { PostedField } from '../../shared/portable/query/narrow.js';

/** Records that have something in common, by their places in the segment, ascending. */
export interface PlaceList {
  /** How many there are in the segment. */
  readonly count: number;
  /** Those in a range of sequences. */
  within(low: number, high: number): Promise<Uint32Array>;
  /** Which of some places, ascending, are among them. */
  among(places: Uint32Array): Promise<Uint32Array>;
}

/** A value and the records that have it. */
export interface ValuePlaces extends PlaceList {
  readonly value: string;
  /** The first and the last place. */
  readonly first: number;
  readonly last: number;
}

/** The postings of a segment. */
export interface Postings {
  /** The sequences that they speak of. */
  readonly firstSequence: number;
  readonly lastSequence: number;
  /** How many values of a field there are, at least about. */
  valuesOf(field: PostedField): number;
  ofValue(field: PostedField, value: string): Promise<PlaceList>;
  /**
   * Those of all values with a prefix.
   * @param isWanted leaves out some of the values
   */
  ofPrefix(field: PostedField, prefix: string, isWanted?: (value: string) => boolean): Promise<PlaceList>;
  /** Each value with a prefix, in any order. */
  ofEach(field: PostedField, prefix: string): AsyncIterable<ValuePlaces>;
}

/** Where records are in the raw segment. Unit: bytes. */
export interface RecordPlaces {
  readonly starts: Float64Array;
  /** Where the next record begins, or the last one ends. */
  readonly ends: Float64Array;
}

export interface SegmentIndex extends Postings {
  /** Whether there is a record of each sequence. */
  readonly isWhole: boolean;
  /** Of records by their places, ascending; undefined where they are rather read by their sequences. */
  recordsAt(places: Uint32Array): Promise<RecordPlaces | undefined>;
}
