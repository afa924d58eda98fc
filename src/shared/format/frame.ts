/**
 * A frame: the records of one group commit under one header, the atomic unit of recovery. Little-endian, 8-byte aligned.
 *
 *      0  u32  magic "KLfr"
 *      4  u16  format: 1, or 2 where records of it were removed since
 *      6  u16  zero
 *      8  u32  bytes of the body; a multiple of 8
 *     12  u32  number of records
 *     16  u64  first sequence
 *     24  u64  epoch of the writer
 *     32  u64  durableUpTo: the last sequence known to be durable when the frame was formed (inclusive; 0 for none)
 *              format 2: 8 B, the header checksum that the frame was written with, which the next frame names
 *     40  8 B  the previous frame's header checksum (zero in the store's first frame)
 *     48  8 B  checksum of the body
 *     56  8 B  checksum of bytes 0 to 56
 *     64  the records, one after the other
 *
 * Checksums are XXH3 with 64 bits over store id, segment number (u32) and the bytes. The header's covers the body's and
 * the previous frame's, so the frames of all segments form one chain. A frame of which records were removed keeps its place
 * in it: beside the checksum of what it is now, it has the one that it had, which takes the place of durableUpTo, of which
 * nobody has use in a segment that is full.
 */
import { CHECKSUM_BYTES, type PlaceHasher } from './checksum.js';
import {
  holdsRecord,
  isSafeInteger,
  RECORD_HEADER_BYTES,
  readSafeInteger,
  recordLength,
  recordSequence,
  writeSafeInteger,
} from './record.js';
import { isRemoved, lastSequenceAt } from './removed-record.js';

export const FRAME_HEADER_BYTES = 64;
export const FRAME_FORMAT = 1;
/** Of a frame of which records were removed. */
export const COMPACTED_FRAME_FORMAT = 2;
export const FRAME_MAGIC = 0x72664c4b;
/** Frames begin at multiples of this. Unit: bytes. */
export const FRAME_ALIGNMENT = 8;

const WRITTEN = 32;
const PREVIOUS = 40;
const BODY = 48;
const HEADER = 56;

/** What stands before the first frame of a store. */
export const NO_FRAME: Uint8Array = new Uint8Array(CHECKSUM_BYTES);

export interface FrameHeader {
  readonly bodyBytes: number;
  /** How many records it was written with. */
  readonly count: number;
  readonly firstSequence: number;
  readonly epoch: number;
  /** 0 where records of it were removed. */
  readonly durableUpTo: number;
  /** The previous frame's header checksum. */
  readonly previous: Uint8Array;
  /** The header checksum that it was written with: what the next one names as previous. */
  readonly checksum: Uint8Array;
  /** Whether records of it were removed. */
  readonly isCompacted: boolean;
}

/** Write a frame's header for a body, and return its checksum. */
export function writeFrameHeader(
  header: Buffer,
  view: DataView,
  fields: Omit<FrameHeader, 'checksum' | 'isCompacted'>,
  hasher: PlaceHasher,
  segment: number,
  body: readonly Uint8Array[],
): Uint8Array {
  view.setUint32(0, FRAME_MAGIC, true);
  view.setUint16(4, FRAME_FORMAT, true);
  view.setUint16(6, 0, true);
  view.setUint32(8, fields.bodyBytes, true);
  view.setUint32(12, fields.count, true);
  writeSafeInteger(view, 16, fields.firstSequence);
  writeSafeInteger(view, 24, fields.epoch);
  writeSafeInteger(view, 32, fields.durableUpTo);
  header.set(fields.previous, PREVIOUS);
  header.set(hasher.digest(segment, ...body), BODY);
  const checksum = hasher.digest(segment, header.subarray(0, HEADER));
  header.set(checksum, HEADER);
  return checksum;
}

/**
 * Give a frame's header, whose body has other bytes by now, checksums that hold again.
 * @param written the checksum that it was written with
 */
export function rewriteFrameHeader(
  header: Buffer,
  view: DataView,
  written: Uint8Array,
  hasher: PlaceHasher,
  segment: number,
  body: readonly Uint8Array[],
): void {
  view.setUint16(4, COMPACTED_FRAME_FORMAT, true);
  header.set(written, WRITTEN);
  header.set(hasher.digest(segment, ...body), BODY);
  header.set(hasher.digest(segment, header.subarray(0, HEADER)), HEADER);
}

/**
 * The header at an offset if there is a whole one whose checksum holds and that can be one; else undefined.
 * @throws RangeError where it is of a format that this program does not know
 */
export function readFrameHeader(
  bytes: Buffer,
  view: DataView,
  at: number,
  hasher: PlaceHasher,
  segment: number,
): FrameHeader | undefined {
  if (at + FRAME_HEADER_BYTES > bytes.length || view.getUint32(at, true) !== FRAME_MAGIC) return undefined;
  if (!hasher.verify(bytes, at + HEADER, segment, bytes.subarray(at, at + HEADER))) return undefined;
  const format = view.getUint16(at + 4, true);
  const isCompacted = format === COMPACTED_FRAME_FORMAT;
  if (format !== FRAME_FORMAT && !isCompacted) throw new RangeError(`frame format ${format}`);
  const bodyBytes = view.getUint32(at + 8, true);
  const count = view.getUint32(at + 12, true);
  if (count === 0 || bodyBytes % FRAME_ALIGNMENT !== 0 || bodyBytes < count * RECORD_HEADER_BYTES) return undefined;
  if (!isSafeInteger(view, at + 16) || !isSafeInteger(view, at + 24)) return undefined;
  if (!isCompacted && !isSafeInteger(view, at + 32)) return undefined;
  const checksum = at + (isCompacted ? WRITTEN : HEADER);
  return {
    bodyBytes,
    count,
    firstSequence: readSafeInteger(view, at + 16),
    epoch: readSafeInteger(view, at + 24),
    durableUpTo: isCompacted ? 0 : readSafeInteger(view, at + 32),
    previous: new Uint8Array(bytes.subarray(at + PREVIOUS, at + PREVIOUS + CHECKSUM_BYTES)),
    checksum: new Uint8Array(bytes.subarray(checksum, checksum + CHECKSUM_BYTES)),
    isCompacted,
  };
}

/** Whether the body that follows a header verifies. It must lie in the bytes as a whole. */
export function verifyFrameBody(
  bytes: Buffer,
  at: number,
  header: FrameHeader,
  hasher: PlaceHasher,
  segment: number,
): boolean {
  const start = at + FRAME_HEADER_BYTES;
  return hasher.verify(bytes, at + BODY, segment, bytes.subarray(start, start + header.bodyBytes));
}

/**
 * Look over the records of a body that verifies.
 * @param starts gets the offset of each; one that stands for removed ones is there once
 * @returns the offset of the last one, or -1 where they are not those that the header speaks of, each within its bounds
 */
export function walkRecords(view: DataView, at: number, header: FrameHeader, starts?: number[]): number {
  let record = at + FRAME_HEADER_BYTES;
  const end = record + header.bodyBytes;
  let last = -1;
  let next = header.firstSequence;
  const behind = next + header.count;
  while (next < behind) {
    if (!holdsRecord(view, record, end) || recordSequence(view, record) !== next) return -1;
    if (isRemoved(view, record) && !header.isCompacted) return -1;
    starts?.push(record);
    last = record;
    next = lastSequenceAt(view, record) + 1;
    record += recordLength(view, record);
  }
  return record === end && next === behind ? last : -1;
}

/** Whether two checksums are the same. */
export function sameChecksum(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}
