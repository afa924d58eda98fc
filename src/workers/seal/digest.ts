/** The digests of records. */
import { hash } from 'node:crypto';
import { recordLength } from '../../shared/format/record.js';
import { isRemoved } from '../../shared/format/removed-record.js';
import { DIGEST_BYTES } from '../../shared/format/sealed.js';
import type { FramesRead } from './frames.js';

/** SHA-256 of each record that is there, one after the other. */
export function digestsOf({ memory: { bytes, view }, starts }: Pick<FramesRead, 'memory' | 'starts'>): Buffer {
  const there = starts.filter((start) => !isRemoved(view, start));
  const digests = Buffer.allocUnsafeSlow(there.length * DIGEST_BYTES);
  for (const [i, start] of there.entries()) {
    const record = bytes.subarray(start, start + recordLength(view, start));
    // As a string, a character a byte: a buffer for each would take half as long again.
    digests.write(hash('sha256', record, 'binary'), i * DIGEST_BYTES, 'latin1');
  }
  return digests;
}
