/** A segment as readers see it. */
import type { SegmentBlocks } from './segment-blocks.js';

/** A segment in the catalog. */
export interface Segment {
  readonly number: number;
  readonly firstSequence: number;
  /** Of the last event before it. */
  readonly previousTimestampNs: bigint;
  /** The raw file, or the sealed one: that which was opened last. */
  file: string;
  readonly blocks: SegmentBlocks;
}

/** Told of the bytes that a read took from a file. */
export type OnRead = (bytes: number) => void;
