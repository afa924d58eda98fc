/** The digests of a segment's records, taken while its frames are followed: what does not verify is not sealed. */
import { hash } from 'node:crypto';
import path from 'node:path';
import { corrupt } from '../../shared/damage.js';
import type { PlaceHasher } from '../../shared/format/checksum.js';
import { segmentFile } from '../../shared/format/file-names.js';
import { sameChecksum } from '../../shared/format/frame.js';
import { recordLength } from '../../shared/format/record.js';
import { isRemoved } from '../../shared/format/removed-record.js';
import { DIGEST_BYTES } from '../../shared/format/sealed.js';
import { Holes } from '../../shared/holes.js';
import type { SealResults, SealTaskOf } from '../../shared/seal-tasks.js';
import type { Storage } from '../../shared/storage.js';
import { type FramesRead, readFrames } from './frames.js';

/** @throws ERR_CORRUPT where a frame does not verify, or does not follow the one before it; ERR_STORAGE */
export function digestFrames(
  storage: Storage,
  hasher: PlaceHasher,
  { dir, number, range, from, holes }: SealTaskOf<'digest'>,
): SealResults['digest'] {
  const file = path.join(dir, segmentFile(number));
  const { lastSequence } = range;
  const source = { log: storage, hasher, holes: new Holes(holes), file, blamed: file, number, lastSequence };
  const read = readFrames(source, from);
  const { to } = read;
  const end = to.sequence > lastSequence ? range.end : undefined;
  if (end !== undefined && (end.offset !== to.offset || !sameChecksum(end.previous, to.previous))) {
    throw corrupt(file, to.offset, 'the next segment does not continue this one', range);
  }
  return { to, digests: digestsOf(read), isCompacted: read.frames.some((frame) => frame.isCompacted) };
}

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
