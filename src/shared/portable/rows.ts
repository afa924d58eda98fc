/** What a read returns. */

/** Which way to read: in append order, or against it. */
export type Direction = 'forwards' | 'backwards';

/**
 * What a read returns. Single use: iterate it, or take one of its collectors; a second time is ERR_INVALID_QUERY. It ends at
 * what was durable at the first pull, and reads only as far ahead as one batch. Leaving a loop early ends the reading. What is
 * deleted meanwhile is passed over, however little is left then.
 *
 * Nothing is read before the first pull, so it is the pulls that fail: with ERR_NOT_FOUND where a bound names an id that is
 * not there, ERR_PRUNED, ERR_CORRUPT, ERR_STORAGE, ERR_ABORTED, ERR_CLOSED.
 */
export interface Rows<T> extends AsyncIterable<T> {
  /** All of them, in memory. */
  toArray(): Promise<T[]>;
  /** The first one; the rest is not read. */
  first(): Promise<T | undefined>;
  /** In arrays of whatever is at hand, none of them empty: 256 events or 128 KiB at most, or one larger event. */
  batches(): AsyncIterable<T[]>;
  /**
   * The sequence up to which the log has been looked at: 0 before the first pull, that of the event last handed out,
   * and at the end that of the last durable event, matching or not. Backwards, it is where the reading began.
   */
  readonly position: number;
  /** What was passed over so far because it is lost: ranges in the log that a repair gave up, whatever was in them. */
  readonly holes: readonly SequenceRange[];
}

/** Places in the store, both inclusive. */
export interface SequenceRange {
  /** The first one. */
  readonly firstSequence: number;
  /** The last one. */
  readonly lastSequence: number;
}
