/** Some frames of a segment, raw or sealed, read and verified: each follows the one before it. */
import path from 'node:path';
import { corrupt } from '../../shared/damage.js';
import type { PlaceHasher } from '../../shared/format/checksum.js';
import { segmentFile } from '../../shared/format/file-names.js';
import {
  FRAME_HEADER_BYTES,
  type FrameHeader,
  NO_FRAME,
  readFrameHeader,
  sameChecksum,
  verifyFrameBody,
  walkRecords,
} from '../../shared/format/frame.js';
import { type Memory, memoryOf } from '../../shared/format/record.js';
import { SEGMENT_HEADER_BYTES, type SegmentHeader } from '../../shared/format/segment.js';
import { Holes } from '../../shared/holes.js';
import { readSegmentHeader } from '../../shared/inspect.js';
import type { FramePosition, LogPart, SealedWork } from '../../shared/seal-tasks.js';
import { type ReadStorage, readRange, type Storage } from '../../shared/storage.js';
import { fileOfSegment, unsealing } from '../../shared/unsealing.js';

/** Frames that are read at once, unless one is larger. Unit: bytes. */
const SLICE_BYTES = 1024 * 1024;

/** Where the frames are, and which are wanted. */
export interface FrameSource {
  /** With sealed segments as raw ones. */
  readonly log: ReadStorage;
  readonly hasher: PlaceHasher;
  readonly holes: Holes;
  /** The segment's raw file, and the one that an error names. */
  readonly file: string;
  readonly blamed: string;
  readonly number: number;
  /** The last sequence that is wanted. */
  readonly lastSequence: number;
}

export interface FramesRead {
  readonly memory: Memory;
  /** Where the memory begins in the segment. */
  readonly offset: number;
  /** Where each record begins in the memory, also those that stand for removed ones. */
  readonly starts: readonly number[];
  readonly frames: readonly FrameHeader[];
  readonly from: FramePosition;
  readonly to: FramePosition;
}

/** Where the frames of a segment begin. */
export function startOf({ number, firstSequence, previous }: SegmentHeader, holes: Holes): FramePosition {
  const before = number === 1 ? NO_FRAME : previous;
  return { offset: SEGMENT_HEADER_BYTES, sequence: holes.skip(firstSequence), previous: before };
}

/** Some frames of a segment, raw or sealed, from where a part begins. Throws as {@link readFrames}. */
export function framesFrom(
  storage: Storage,
  hasher: PlaceHasher,
  { dir, number, storeId, holes: list }: SealedWork,
  { from, lastSequence }: LogPart,
): FramesRead {
  const log = unsealing(storage, storeId, hasher);
  const holes = new Holes(list);
  const file = path.join(dir, segmentFile(number));
  const blamed = fileOfSegment(storage, dir, number);
  const header = from === undefined ? readSegmentHeader({ storage: log, dir, storeId, hasher }, number) : undefined;
  const start = from ?? (header && startOf(header, holes));
  if (start === undefined) throw corrupt(blamed, 0, 'a segment that is in use has no valid header');
  return readFrames({ log, hasher, holes, file, blamed, number, lastSequence }, start);
}

/**
 * @param lead so many bytes before the frames are wanted in the memory as well
 * @param into what they are read into where that is large enough
 * @throws ERR_CORRUPT where a frame does not verify, or does not follow the one before it; ERR_STORAGE
 */
export function readFrames(source: FrameSource, from: FramePosition, lead = 0, into?: Buffer): FramesRead {
  const { log, hasher, holes, file, number, lastSequence } = source;
  const offset = from.offset - lead;
  const read = (length: number): Memory => memoryOf(readRange(log, file, offset, length, into));
  const sliceBytes = lead + SLICE_BYTES;
  let memory = read(sliceBytes);
  let to = from;
  const starts: number[] = [];
  const frames: FrameHeader[] = [];
  while (to.sequence <= lastSequence) {
    const at = to.offset - offset;
    const header = readFrameHeader(memory.bytes, memory.view, at, hasher, number);
    const bytes = header === undefined ? 0 : FRAME_HEADER_BYTES + header.bodyBytes;
    const isCut = at + Math.max(bytes, FRAME_HEADER_BYTES) > memory.bytes.length;
    if (at > lead && isCut && memory.bytes.length >= sliceBytes) break;
    if (at === lead && isCut) memory = read(lead + bytes);
    if (header === undefined || !follows(to, header, holes) || !verifies(memory, at, header, source, starts)) {
      const range = { firstSequence: to.sequence, lastSequence };
      throw corrupt(source.blamed, to.offset, 'no frame that verifies continues the segment', range);
    }
    frames.push(header);
    to = {
      offset: to.offset + bytes,
      sequence: holes.skip(header.firstSequence + header.count),
      previous: header.checksum,
    };
  }
  return { memory, offset, starts, frames, from, to };
}

function follows(before: FramePosition, { firstSequence, previous }: FrameHeader, holes: Holes): boolean {
  if (firstSequence !== before.sequence) return false;
  return sameChecksum(previous, before.previous) || holes.beginsAnew(firstSequence);
}

function verifies(
  { bytes, view }: Memory,
  at: number,
  header: FrameHeader,
  { hasher, number }: FrameSource,
  starts: number[],
): boolean {
  if (at + FRAME_HEADER_BYTES + header.bodyBytes > bytes.length) return false;
  return verifyFrameBody(bytes, at, header, hasher, number) && walkRecords(view, at, header, starts) !== -1;
}
