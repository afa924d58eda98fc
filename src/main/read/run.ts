/** Records that follow each other, verified, in some memory. Some may stand for such that were removed. */
import type { Memory } from '../../shared/format/record.js';

export interface Run {
  readonly memory: Memory;
  readonly firstSequence: number;
  readonly lastSequence: number;
  /** Where the record of a sequence of this run begins, in the memory, or that which stands for it. */
  at(sequence: number): number;
  /** Where the memory begins in the segment's file; -1 where it comes from elsewhere. Unit: bytes. */
  readonly fileOffset: number;
}
