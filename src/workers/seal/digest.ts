/** The digests of a segment's records, taken while its frames are followed: what does not verify is not sealed. */
import { hash } from 'node:crypto';
import path from 'node:path';
import { corrupt } from '../../shared/damage.js';
import type { PlaceHasher } from '../../shared/format/checksum.js';
import { segmentFile } from '../../shared/format/file-names.js';
import {
  FRAME_HEADER_BYTES,
  type FrameHeader,
  readFrameHeader,
  sameChecksum,
  verifyFrameBody,
  walkRecords,
} from '../../shared/format/frame.js';
import { type Memory, memoryOf, recordLength } from '../../shared/format/record.js';
import { DIGEST_BYTES } from '../../shared/format/sealed.js';
import { Holes } from '../../shared/holes.js';
import type { FramePosition, SealResults, SealTaskOf } from '../../shared/seal-tasks.js';
import { readRange, type Storage } from '../../shared/storage.js';

/** Frames that are read at once, unless one is larger. Unit: bytes. */
const SLICE_BYTES = 1024 * 1024;

/** @throws ERR_CORRUPT where a frame does not verify, or does not follow the one before it; ERR_STORAGE */
export function digestFrames(storage: Storage, hasher: PlaceHasher, task: SealTaskOf<'digest'>): SealResults['digest'] {
  const { dir, number, range, from } = task;
  const file = path.join(dir, segmentFile(number));
  const holes = new Holes(task.holes);
  const read = (length: number): Memory => memoryOf(readRange(storage, file, from.offset, length));
  let memory = read(SLICE_BYTES);
  let to = from;
  const starts: number[] = [];
  while (to.sequence <= range.lastSequence) {
    const at = to.offset - from.offset;
    const header = readFrameHeader(memory.bytes, memory.view, at, hasher, number);
    const bytes = header === undefined ? 0 : FRAME_HEADER_BYTES + header.bodyBytes;
    const isCut = at + Math.max(bytes, FRAME_HEADER_BYTES) > memory.bytes.length;
    if (at > 0 && isCut && memory.bytes.length >= SLICE_BYTES) break;
    if (at === 0 && bytes > memory.bytes.length) memory = read(bytes);
    if (header === undefined || !follows(to, header, holes) || !verifies(memory, at, header, hasher, number, starts)) {
      const sequences = { firstSequence: to.sequence, lastSequence: range.lastSequence };
      throw corrupt(file, to.offset, 'no frame that verifies continues the segment: it is not sealed', sequences);
    }
    to = {
      offset: to.offset + bytes,
      sequence: holes.skip(header.firstSequence + header.count),
      previous: header.checksum,
    };
  }
  const end = to.sequence > range.lastSequence ? range.end : undefined;
  if (end !== undefined && (end.offset !== to.offset || !sameChecksum(end.previous, to.previous))) {
    throw corrupt(file, to.offset, 'the next segment does not continue this one: it is not sealed', range);
  }
  const digests = Buffer.allocUnsafeSlow(starts.length * DIGEST_BYTES);
  for (const [i, start] of starts.entries()) {
    const record = memory.bytes.subarray(start, start + recordLength(memory.view, start));
    digests.set(hash('sha256', record, 'buffer'), i * DIGEST_BYTES);
  }
  return { to, digests };
}

function follows(before: FramePosition, { firstSequence, previous }: FrameHeader, holes: Holes): boolean {
  if (firstSequence !== before.sequence) return false;
  return sameChecksum(previous, before.previous) || holes.beginsAnew(firstSequence);
}

function verifies(
  { bytes, view }: Memory,
  at: number,
  header: FrameHeader,
  hasher: PlaceHasher,
  number: number,
  starts: number[],
): boolean {
  if (at + FRAME_HEADER_BYTES + header.bodyBytes > bytes.length) return false;
  return verifyFrameBody(bytes, at, header, hasher, number) && walkRecords(view, at, header, starts) !== -1;
}
