/** The records of appends that are pending: the ring still holds them. */
import { KIND, type Memory, RECORD_HEADER_BYTES, recordKind, recordLength } from '../../shared/format/record.js';
import type { Call } from './call.js';

/**
 * The first record of a pending call that passes a test, by where it begins in the ring; undefined if none does.
 * @param ring the ring's memory
 */
export function findInRing(
  call: Call,
  { view, bytes }: Memory,
  test: (sequence: number, at: number) => boolean,
): number | undefined {
  let at = call.ringOffset;
  for (let sequence = call.firstSequence; sequence <= call.lastSequence; sequence++) {
    // A record never wraps: what is left at the ring's end may be no more than padding.
    if (bytes.length - at < RECORD_HEADER_BYTES || recordKind(view, at) === KIND.padding) at = 0;
    if (test(sequence, at)) return at;
    at += recordLength(view, at);
  }
  return undefined;
}
