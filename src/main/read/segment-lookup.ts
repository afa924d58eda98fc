/** Small helps of the catalog. */
import type { Wanted } from './segment-blocks.js';

/** A read of more is held against the file's length before memory is taken for it. Unit: bytes. */
const LARGE_READ_BYTES = 1024 * 1024;

/** Of segments in order, the last one that begins at or before a sequence. */
export function lastFrom<T extends { readonly firstSequence: number }>(
  segments: readonly T[],
  sequence: number,
): T | undefined {
  let low = 0;
  let high = segments.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (segments[middle]!.firstSequence <= sequence) low = middle + 1;
    else high = middle;
  }
  return segments[low - 1];
}

/** Memory for what a step wants, unless it has its own: where it is much, no more than the file holds, whatever a header claims. */
export function memoryFor({ offset, length, into }: Wanted, fileBytes: () => number): Buffer {
  if (into !== undefined) return into;
  if (length <= LARGE_READ_BYTES) return Buffer.allocUnsafeSlow(length);
  return Buffer.allocUnsafeSlow(Math.max(0, Math.min(length, fileBytes() - offset)));
}
