/** What is asked of postings of a segment, wherever they are kept: in memory or in a file. */
import type { PostedField } from '../../shared/portable/query/narrow.js';

/** The postings of a segment: ascending places of records, each list cut to a range of sequences. */
export interface Postings {
  /** The records that have a value. Undefined where there are no postings of the field. */
  ofValue(field: PostedField, value: string, low: number, high: number): Uint32Array | undefined;
  /** The same of each value with a prefix. */
  ofPrefix(field: PostedField, prefix: string, low: number, high: number): Uint32Array[] | undefined;
  /** The same of every value. */
  ofEach(field: PostedField, low: number, high: number): Iterable<readonly [string, Uint32Array]> | undefined;
}
