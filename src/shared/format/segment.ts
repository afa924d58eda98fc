/**
 * The header of a segment file. Little-endian. All zero while the file is only preallocated: a zero or torn header was
 * never used. Header and first frame reach the disk in one write, once everything before them is durable; where a compaction
 * has the log go on before the segment in front is full, the header comes alone.
 *
 *      0  u32  magic "KLsg"
 *      4  u16  format, 1
 *      6  u16  zero
 *      8  16 B store id
 *     24  u32  number of the segment, from 1
 *     28  u32  zero
 *     32  u64  first sequence
 *     40  u64  epoch of the writer
 *     48  u64  final length of the previous segment; 0 for the first
 *     56  8 B  header checksum of the last frame before this segment; zero for the first
 *     64  u64  time of creation, milliseconds since 1970
 *     72  u64  timestamp of the last event before this segment, nanoseconds since 1970; 0 for the first
 *     80  40 B zero
 *    120  8 B  checksum of bytes 0 to 120: XXH3 with 64 bits over store id, number (u32) and the bytes
 *    128  the frames; after the last one zeros up to the file's end
 */
import { CHECKSUM_BYTES, type PlaceHasher, STORE_ID_BYTES } from './checksum.js';
import { isSafeInteger, readSafeInteger, writeSafeInteger } from './record.js';

export const SEGMENT_HEADER_BYTES = 128;
export const SEGMENT_FORMAT = 1;
const SEGMENT_MAGIC = 0x67734c4b;

const STORE = 8;
const PREVIOUS = 56;
const CHECKSUM = 120;

export interface SegmentHeader {
  readonly number: number;
  readonly firstSequence: number;
  readonly epoch: number;
  readonly previousBytes: number;
  /** The header checksum of the last frame before this segment. */
  readonly previous: Uint8Array;
  readonly createdMs: number;
  readonly previousTimestampNs: bigint;
}

export function encodeSegmentHeader(header: SegmentHeader, storeId: Uint8Array, hasher: PlaceHasher): Buffer {
  const bytes = Buffer.alloc(SEGMENT_HEADER_BYTES);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  view.setUint32(0, SEGMENT_MAGIC, true);
  view.setUint16(4, SEGMENT_FORMAT, true);
  bytes.set(storeId, STORE);
  view.setUint32(24, header.number, true);
  writeSafeInteger(view, 32, header.firstSequence);
  writeSafeInteger(view, 40, header.epoch);
  writeSafeInteger(view, 48, header.previousBytes);
  bytes.set(header.previous, PREVIOUS);
  writeSafeInteger(view, 64, header.createdMs);
  view.setBigUint64(72, header.previousTimestampNs, true);
  bytes.set(hasher.digest(header.number, bytes.subarray(0, CHECKSUM)), CHECKSUM);
  return bytes;
}

/** What the first bytes of a segment file are. */
export type SegmentHeaderFound =
  | { readonly kind: 'valid'; readonly header: SegmentHeader }
  /** Zero or torn: never used. */
  | { readonly kind: 'unused' }
  /** Whole, but of another store or another number. */
  | { readonly kind: 'foreign' }
  /** Whole, but what it says cannot be. */
  | { readonly kind: 'corrupt' }
  | { readonly kind: 'unsupported'; readonly format: number };

/** Read a segment's header as that of the segment with this number. */
export function decodeSegmentHeader(
  bytes: Buffer,
  number: number,
  storeId: Uint8Array,
  hasher: PlaceHasher,
): SegmentHeaderFound {
  if (bytes.length < SEGMENT_HEADER_BYTES) return { kind: 'unused' };
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  if (view.getUint32(0, true) !== SEGMENT_MAGIC) return { kind: 'unused' };
  const format = view.getUint16(4, true);
  const foundNumber = view.getUint32(24, true);
  const sameStore = Buffer.compare(bytes.subarray(STORE, STORE + STORE_ID_BYTES), storeId) === 0;
  const verifies = hasher.verify(bytes, CHECKSUM, foundNumber, bytes.subarray(0, CHECKSUM));
  if (!verifies) return sameStore || format !== SEGMENT_FORMAT ? { kind: 'unused' } : { kind: 'foreign' };
  if (format !== SEGMENT_FORMAT) return { kind: 'unsupported', format };
  if (!sameStore || foundNumber !== number) return { kind: 'foreign' };
  for (const place of [32, 40, 48, 64]) if (!isSafeInteger(view, place)) return { kind: 'corrupt' };
  if (readSafeInteger(view, 32) === 0) return { kind: 'corrupt' };
  return {
    kind: 'valid',
    header: {
      number,
      firstSequence: readSafeInteger(view, 32),
      epoch: readSafeInteger(view, 40),
      previousBytes: readSafeInteger(view, 48),
      previous: new Uint8Array(bytes.subarray(PREVIOUS, PREVIOUS + CHECKSUM_BYTES)),
      createdMs: readSafeInteger(view, 64),
      previousTimestampNs: view.getBigUint64(72, true),
    },
  };
}
