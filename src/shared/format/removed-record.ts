/**
 * A record that stands where compaction has removed others, which followed each other in a frame. It is as long as they were
 * together, so that nothing beside them changes its place, and consists of zeros, which take no space once they are compressed.
 *
 *      0  u32  length, a multiple of 8
 *      4  u32  checksum, as of any record
 *      8  u8   kind, 2
 *      9  7 B  zero
 *     16  u64  the first sequence that was removed
 *     24  u64  the last one
 *     32  u64  timestamp of the last one, nanoseconds since 1970
 *     40  zeros up to the length
 */
import {
  holdsRecord,
  KIND,
  type Memory,
  readSafeInteger,
  recordKind,
  recordSequence,
  sealRecord,
  verifyRecord,
  writeSafeInteger,
} from './record.js';

/** What was removed. */
export interface Removed {
  readonly firstSequence: number;
  readonly lastSequence: number;
  /** Of the last one. */
  readonly timestampNs: bigint;
}

/** Put a record in the place of others, which took so many bytes. */
export function writeRemoved(
  { bytes, view }: Memory,
  at: number,
  length: number,
  removed: Removed,
  seed: number,
): void {
  bytes.fill(0, at, at + length);
  view.setUint32(at, length, true);
  view.setUint8(at + 8, KIND.removed);
  writeSafeInteger(view, at + 16, removed.firstSequence);
  writeSafeInteger(view, at + 24, removed.lastSequence);
  view.setBigUint64(at + 32, removed.timestampNs, true);
  sealRecord(bytes, view, at, seed);
}

/** Whether a record stands for removed ones. */
export function isRemoved(view: DataView, at: number): boolean {
  return recordKind(view, at) === KIND.removed;
}

/** The last sequence that a record stands for: an event's own. */
export function lastSequenceAt(view: DataView, at: number): number {
  return isRemoved(view, at) ? readSafeInteger(view, at + 24) : recordSequence(view, at);
}

/** Whether the record of a sequence, or one that stands for it, begins there and verifies. */
export function isRecord({ bytes, view }: Memory, at: number, sequence: number, seed: number): boolean {
  return verifyRecord(bytes, view, at, bytes.length, seed) && standsFor(view, at, sequence);
}

/** The same in bytes that are verified, of which nothing behind `end` is to be looked at. */
export function isRecordIn(view: DataView, at: number, end: number, sequence: number): boolean {
  return holdsRecord(view, at, end) && standsFor(view, at, sequence);
}

function standsFor(view: DataView, at: number, sequence: number): boolean {
  return recordSequence(view, at) <= sequence && sequence <= lastSequenceAt(view, at);
}
