/**
 * Checksums made to hold again after a change. A checksum protects from rot; it does not protect from a bug of a writer,
 * nor from a file that somebody has made up, so decoders are tried behind it as well.
 */
import { decodeCheckpointHeader, sectionsOffset } from '../../dist/shared/format/checkpoint.js';
import { crc32, type PlaceHasher } from '../../dist/shared/format/checksum.js';
import { FRAME_HEADER_BYTES, FRAME_MAGIC } from '../../dist/shared/format/frame.js';
import { INDEX_HEADER_BYTES } from '../../dist/shared/format/index-file.js';
import { sealRecord } from '../../dist/shared/format/record.js';
import { SEGMENT_HEADER_BYTES } from '../../dist/shared/format/segment.js';
import { viewOf } from '../support/bytes.js';

/** A record at an offset. */
export function repairRecord(bytes: Buffer, at: number, seed: number): void {
  if (at + 8 > bytes.length) return;
  const length = bytes.readUInt32LE(at);
  if (length >= 8 && length <= bytes.length - at) sealRecord(bytes, viewOf(bytes), at, seed);
}

/** A frame at an offset, its records with it. Returns where it ends, or -1 where none begins there. */
export function repairFrame(bytes: Buffer, at: number, by: PlaceHasher, segment: number, seed: number): number {
  if (at + FRAME_HEADER_BYTES > bytes.length || bytes.readUInt32LE(at) !== FRAME_MAGIC) return -1;
  const start = at + FRAME_HEADER_BYTES;
  const end = start + bytes.readUInt32LE(at + 8);
  for (let record = start; record + 8 <= Math.min(end, bytes.length); ) {
    repairRecord(bytes, record, seed);
    const length = bytes.readUInt32LE(record);
    if (length < 8) break;
    record += length;
  }
  bytes.set(by.digest(segment, bytes.subarray(start, end)), at + 48);
  bytes.set(by.digest(segment, bytes.subarray(at, at + 56)), at + 56);
  return end;
}

export function repairSegmentHeader(bytes: Buffer, by: PlaceHasher): void {
  if (bytes.length < SEGMENT_HEADER_BYTES) return;
  bytes.set(by.digest(bytes.readUInt32LE(24), bytes.subarray(0, 120)), 120);
}

/** A segment's file: header, frames, and the chain through them, as far as they can be followed. */
export function repairSegment(bytes: Buffer, by: PlaceHasher, segment: number, seed: number): void {
  repairSegmentHeader(bytes, by);
  let previous = segment === 1 ? Buffer.alloc(8) : Buffer.from(bytes.subarray(56, 64));
  for (let at = SEGMENT_HEADER_BYTES; at !== -1 && at + FRAME_HEADER_BYTES <= bytes.length; ) {
    if (bytes.readUInt32LE(at) === FRAME_MAGIC) bytes.set(previous, at + 40);
    const end = repairFrame(bytes, at, by, segment, seed);
    // One of which records were removed says itself what the next one names.
    const named = at + (bytes.readUInt16LE(at + 4) === 2 ? 32 : 56);
    previous = Buffer.from(bytes.subarray(named, named + 8));
    at = end;
  }
}

/** Line 2 after line 1. */
export function repairManifest(bytes: Buffer): Buffer {
  const text = bytes.toString('utf8').split('\n')[0]!;
  return Buffer.from(`${text}\n${crc32(text).toString(16).padStart(8, '0')}\n`);
}

export function repairWatermark(bytes: Buffer, by: PlaceHasher): void {
  for (const at of [0, 512]) {
    if (at + 64 <= bytes.length) bytes.set(by.digest(0, bytes.subarray(at, at + 56)), at + 56);
  }
}

/** Blocks, sections and header of a checkpoint. */
/** The same of a base. */
export function repairBase(bytes: Buffer, by: PlaceHasher): void {
  if (bytes.length < 4096) return;
  repairCheckpoint(bytes, by); // whose header is another; so that it can be read:
  const header = decodeCheckpointHeader(bytes.subarray(0, 4096), by, { magic: 0x73624c4b, format: 1 });
  if (header !== undefined) {
    const fences = sectionsOffset(header);
    const filter = fences + header.fenceBytes;
    bytes.set(by.digest(0, bytes.subarray(fences, filter)), 64);
    bytes.set(by.digest(0, bytes.subarray(filter, filter + header.filterBytes)), 72);
    bytes.set(by.digest(0, bytes.subarray(0, 80)), 80);
  }
  bytes.set(by.digest(0, bytes.subarray(0, 96)), 96);
}

export function repairCheckpoint(bytes: Buffer, by: PlaceHasher): void {
  if (bytes.length < 4096) return;
  for (let block = 1; (block + 1) * 4096 <= bytes.length; block++) {
    const at = block * 4096;
    // The sections behind the blocks are shorter than one here.
    bytes.set(by.digest(block, bytes.subarray(at, at + 4088)), at + 4088);
  }
  const seal = (): void => void bytes.set(by.digest(0, bytes.subarray(0, 80)), 80);
  seal();
  const header = decodeCheckpointHeader(bytes.subarray(0, 4096), by);
  if (header === undefined) return;
  const fences = sectionsOffset(header);
  const filter = fences + header.fenceBytes;
  bytes.set(by.digest(0, bytes.subarray(fences, filter)), 64);
  bytes.set(by.digest(0, bytes.subarray(filter, filter + header.filterBytes)), 72);
  seal();
}

export function repairIndexHeader(bytes: Buffer, by: PlaceHasher): void {
  if (bytes.length < INDEX_HEADER_BYTES) return;
  bytes.set(by.digest(bytes.readUInt32LE(24), bytes.subarray(0, 504)), 504);
}

/** Both checksums, and the length that the header tells. */
export function repairTombstones(bytes: Buffer, hasher: PlaceHasher): Buffer | undefined {
  if (bytes.length < 64) return undefined;
  bytes.writeBigUInt64LE(BigInt(bytes.length - 64), 40);
  bytes.set(hasher.digest(0, bytes.subarray(64)), 48);
  bytes.set(hasher.digest(0, bytes.subarray(0, 56)), 56);
  return bytes;
}
