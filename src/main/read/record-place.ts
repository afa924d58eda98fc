/** Single records in some bytes of a segment's file, of which nothing is verified yet. */
import { FRAME_HEADER_BYTES, FRAME_MAGIC } from '../../shared/format/frame.js';
import {
  type Memory,
  memoryOf,
  RECORD_ALIGNMENT,
  RECORD_HEADER_BYTES,
  recordLength,
} from '../../shared/format/record.js';
import { lastSequenceAt } from '../../shared/format/removed-record.js';

/** Where the record of a sequence would be, in memory that begins with the record of another one, at or before it. */
export function seekRecord({ bytes, view }: Memory, first: number, sequence: number): number {
  let at = 0;
  for (let next = first; next < sequence && at + RECORD_HEADER_BYTES <= bytes.length; ) {
    next = lastSequenceAt(view, at) + 1;
    if (next > sequence) return at;
    at += Math.max(RECORD_ALIGNMENT, recordLength(view, at));
    // No record is as long as the magic of a frame would say.
    if (at + 4 <= bytes.length && view.getUint32(at, true) === FRAME_MAGIC) at += FRAME_HEADER_BYTES;
  }
  return at;
}

export function recordAt({ bytes, view }: Memory, at: number): Memory {
  return memoryOf(bytes.subarray(at, at + recordLength(view, at)));
}
