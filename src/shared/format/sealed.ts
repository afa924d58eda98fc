/**
 * A sealed segment: the bytes of a raw one up to the end of its last frame, in compressed blocks, and the digest of each
 * record. Frames and records are in it as they were, checksums included: what verified a raw segment verifies a sealed one.
 *
 *      0  u32  magic 0x6c734c4b ("KLsl")
 *      4  u16  format: 1, or 2 where records of it were removed since
 *      6  u16  codec of the blocks: 0 as they are, 1 LZ4
 *      8  16 B store id
 *     24  u32  number of the segment
 *     28  u32  bytes of a raw block: a power of two from 4,096 to 65,536; the last one may have fewer
 *     32  u64  first sequence
 *     40  u64  number of records, without removed ones
 *     48  u64  raw bytes: the end of the last frame
 *     56  8 B  header checksum of the last frame, as it was written
 *     64  u64  bytes of all stored blocks
 *     72  8 B  XXH3 of the block table, place: this segment
 *     80  8 B  XXH3 of the digests, place: this segment
 *     88  32 B zero
 *    120  8 B  XXH3 of bytes 0 to 120 and 128 to 256, place: this segment
 *    128  the header of the raw segment
 *    256  the stored blocks, one after the other
 *         block table: for each block u32 stored bytes, 8 B XXH3 of them, place: this segment
 *         digests: 32 B SHA-256 of each record, in order
 *         the block table once more
 *         the first 256 bytes once more: one damaged sector does not cost the segment
 *
 * A block that is stored in as many bytes as it has raw ones is stored as it is. Any other is one LZ4 block
 * (https://github.com/lz4/lz4/blob/dev/doc/lz4_Block_format.md) behind a u32 with its raw bytes.
 */
import { createRequire } from 'node:module';
import { CHECKSUM_BYTES, type PlaceHasher, STORE_ID_BYTES } from './checksum.js';
import { unpackLz4 } from './lz4-block.js';
import { isSafeInteger, readSafeInteger, writeSafeInteger } from './record.js';
import { decodeSegmentHeader, SEGMENT_HEADER_BYTES, type SegmentHeader } from './segment.js';

export const SEALED_MAGIC = 0x6c734c4b;
export const SEALED_FORMAT = 1;
/** Of a segment of which records were removed. */
export const COMPACTED_FORMAT = 2;
export const SEALED_HEADER_BYTES = 256;
/** Where the raw segment's header is. */
export const RAW_HEADER_OFFSET = 128;
/** Bounds of the bytes of a raw block. */
const MIN_BLOCK_BYTES = 4096;
export const MAX_BLOCK_BYTES = 65_536;
/** Of a segment whose mean record is smaller than that, blocks have so many bytes. */
const SMALL_RECORD_BYTES = 512;
const SMALL_BLOCK_BYTES = 4096;
export const BLOCK_ENTRY_BYTES = 12;
export const DIGEST_BYTES = 32;

export const BLOCK_CODEC = { none: 0, lz4: 1 } as const;

const STORE = 8;
const LAST_FRAME = 56;
const TABLE = 72;
const DIGESTS = 80;
const CHECKSUM = 120;

export interface SealedHeader {
  readonly codec: number;
  readonly number: number;
  /** Of a raw block. */
  readonly blockBytes: number;
  readonly firstSequence: number;
  /** Records, without removed ones. */
  readonly count: number;
  /** Whether records of it were removed. */
  readonly isCompacted: boolean;
  readonly rawBytes: number;
  /** Header checksum of the last frame, as it was written. */
  readonly lastFrame: Uint8Array;
  readonly storedBytes: number;
  readonly tableChecksum: Uint8Array;
  readonly digestsChecksum: Uint8Array;
}

/** @param rawHeader the header of the raw segment, as it is there */
export function encodeSealedHeader(
  header: SealedHeader,
  rawHeader: Uint8Array,
  storeId: Uint8Array,
  hasher: PlaceHasher,
): Buffer {
  const bytes = Buffer.alloc(SEALED_HEADER_BYTES);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  view.setUint32(0, SEALED_MAGIC, true);
  view.setUint16(4, header.isCompacted ? COMPACTED_FORMAT : SEALED_FORMAT, true);
  view.setUint16(6, header.codec, true);
  bytes.set(storeId, STORE);
  view.setUint32(24, header.number, true);
  view.setUint32(28, header.blockBytes, true);
  writeSafeInteger(view, 32, header.firstSequence);
  writeSafeInteger(view, 40, header.count);
  writeSafeInteger(view, 48, header.rawBytes);
  bytes.set(header.lastFrame, LAST_FRAME);
  writeSafeInteger(view, 64, header.storedBytes);
  bytes.set(header.tableChecksum, TABLE);
  bytes.set(header.digestsChecksum, DIGESTS);
  bytes.set(rawHeader, RAW_HEADER_OFFSET);
  bytes.set(checksumOf(bytes, header.number, hasher), CHECKSUM);
  return bytes;
}

function checksumOf(bytes: Buffer, number: number, hasher: PlaceHasher): Uint8Array {
  return hasher.digest(number, bytes.subarray(0, CHECKSUM), bytes.subarray(RAW_HEADER_OFFSET, SEALED_HEADER_BYTES));
}

/** What the first bytes of a sealed segment's file are. */
/** Whether a header, of which nothing else is looked at, is that of a file from which events were taken out. */
export function isCompactedHeader(bytes: Buffer): boolean {
  return bytes.length > 4 && bytes.readUInt16LE(4) === COMPACTED_FORMAT;
}

export type SealedHeaderFound =
  | { readonly kind: 'valid'; readonly header: SealedHeader; readonly segment: SegmentHeader }
  | { readonly kind: 'corrupt'; readonly why: string }
  | { readonly kind: 'unsupported'; readonly format: number };

/** Read the header of the sealed segment with this number, in a file of so many bytes. */
export function decodeSealedHeader(
  bytes: Buffer,
  fileBytes: number,
  number: number,
  storeId: Uint8Array,
  hasher: PlaceHasher,
): SealedHeaderFound {
  if (bytes.length < SEALED_HEADER_BYTES) return { kind: 'corrupt', why: 'it is shorter than its header' };
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const sameStore = bytes.subarray(STORE, STORE + STORE_ID_BYTES).equals(storeId);
  if (view.getUint32(0, true) !== SEALED_MAGIC) return { kind: 'corrupt', why: 'it does not begin like one' };
  const found = view.getUint32(24, true);
  const checksum = checksumOf(bytes, found, hasher);
  const verifies = bytes.subarray(CHECKSUM, CHECKSUM + CHECKSUM_BYTES).equals(checksum);
  if (!verifies || !sameStore || found !== number) {
    return { kind: 'corrupt', why: 'its header does not verify, or is that of another one' };
  }
  const format = view.getUint16(4, true);
  const codec = view.getUint16(6, true);
  if (format !== SEALED_FORMAT && format !== COMPACTED_FORMAT) return { kind: 'unsupported', format };
  if (codec !== BLOCK_CODEC.none && codec !== BLOCK_CODEC.lz4) return { kind: 'unsupported', format: codec };
  const cannotBe: SealedHeaderFound = { kind: 'corrupt', why: 'its header says what cannot be' };
  for (const place of [32, 40, 48, 64]) if (!isSafeInteger(view, place)) return cannotBe;
  const header: SealedHeader = {
    codec,
    number,
    isCompacted: format === COMPACTED_FORMAT,
    blockBytes: view.getUint32(28, true),
    firstSequence: readSafeInteger(view, 32),
    count: readSafeInteger(view, 40),
    rawBytes: readSafeInteger(view, 48),
    lastFrame: new Uint8Array(bytes.subarray(LAST_FRAME, LAST_FRAME + CHECKSUM_BYTES)),
    storedBytes: readSafeInteger(view, 64),
    tableChecksum: new Uint8Array(bytes.subarray(TABLE, TABLE + CHECKSUM_BYTES)),
    digestsChecksum: new Uint8Array(bytes.subarray(DIGESTS, DIGESTS + CHECKSUM_BYTES)),
  };
  const segment = decodeSegmentHeader(bytes.subarray(RAW_HEADER_OFFSET, SEALED_HEADER_BYTES), number, storeId, hasher);
  if (!isBlockBytes(header.blockBytes) || header.rawBytes < SEGMENT_HEADER_BYTES) return cannotBe;
  if (segment.kind !== 'valid' || segment.header.firstSequence !== header.firstSequence) return cannotBe;
  if (sealedFileBytes(header) !== fileBytes) return { kind: 'corrupt', why: 'it is not as long as its header says' };
  return { kind: 'valid', header, segment: segment.header };
}

/** The length of a whole file. */
export function sealedFileBytes(header: SealedHeader): number {
  return secondTableOffset(header) + tableBytes(header) + SEALED_HEADER_BYTES;
}

/** Where the copy of the block table begins; behind it is that of the header. */
export function secondTableOffset(header: SealedHeader): number {
  return digestsOffset(header) + header.count * DIGEST_BYTES;
}

export function tableBytes(header: SealedHeader): number {
  return blocksIn(header) * BLOCK_ENTRY_BYTES;
}

export function tableOffset({ storedBytes }: SealedHeader): number {
  return SEALED_HEADER_BYTES + storedBytes;
}

export function digestsOffset(header: SealedHeader): number {
  return tableOffset(header) + tableBytes(header);
}

/** The raw bytes of a segment, and of a block of it. */
export type Cut = Pick<SealedHeader, 'rawBytes' | 'blockBytes'>;

export function blocksIn({ rawBytes, blockBytes }: Cut): number {
  return Math.ceil(rawBytes / blockBytes);
}

/** Raw bytes of a block. */
export function rawBytesOf(block: number, { rawBytes, blockBytes }: Cut): number {
  return Math.min(blockBytes, rawBytes - block * blockBytes);
}

/**
 * How large the blocks of a segment are to be. Whoever wants one record unpacks the block that it is in; small records repeat each other
 * in small blocks as well, large ones do not.
 * @param recordBytes the mean record
 */
export function blockBytesFor(recordBytes: number): number {
  return recordBytes < SMALL_RECORD_BYTES ? SMALL_BLOCK_BYTES : MAX_BLOCK_BYTES;
}

function isBlockBytes(bytes: number): boolean {
  return bytes >= MIN_BLOCK_BYTES && bytes <= MAX_BLOCK_BYTES && (bytes & (bytes - 1)) === 0;
}

const TABLE_STEP = 16;

/** Where the stored blocks of a sealed segment are, and their checksums. */
export class BlockTable {
  readonly #bytes: Buffer;
  readonly #view: DataView;
  /** Offset of one block in so many, in the file. */
  readonly #offsets: Float64Array;
  /** Where all blocks end. */
  readonly end: number;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    const count = bytes.length / BLOCK_ENTRY_BYTES;
    this.#offsets = new Float64Array(Math.ceil(count / TABLE_STEP));
    let offset = SEALED_HEADER_BYTES;
    for (let block = 0; block < count; block++) {
      if (block % TABLE_STEP === 0) this.#offsets[block / TABLE_STEP] = offset;
      offset += this.#storedBytesOf(block);
    }
    this.end = offset;
  }

  /** Where a block begins; for the number of blocks, where the last one ends. */
  offsetOf(block: number): number {
    if (block * BLOCK_ENTRY_BYTES === this.#bytes.length) return this.end;
    const step = Math.floor(block / TABLE_STEP);
    let offset = this.#offsets[step]!;
    for (let before = step * TABLE_STEP; before < block; before++) offset += this.#storedBytesOf(before);
    return offset;
  }

  #storedBytesOf(block: number): number {
    return this.#view.getUint32(block * BLOCK_ENTRY_BYTES, true);
  }

  /** Whether stored bytes are those of a block. */
  verifies(block: number, stored: Uint8Array, number: number, hasher: PlaceHasher): boolean {
    const entry = block * BLOCK_ENTRY_BYTES;
    return stored.length === this.#storedBytesOf(block) && hasher.verify(this.#bytes, entry + 4, number, stored);
  }
}

/** Write the entry of a block into the table. */
export function writeBlockEntry(
  table: Buffer,
  block: number,
  stored: Uint8Array,
  number: number,
  hasher: PlaceHasher,
): void {
  table.writeUInt32LE(stored.length, block * BLOCK_ENTRY_BYTES);
  table.set(hasher.digest(number, stored), block * BLOCK_ENTRY_BYTES + 4);
}

/** The bytes in which a raw block is stored. */
export function packBlock(codec: number, raw: Buffer): Buffer {
  if (codec === BLOCK_CODEC.none) return raw;
  const packed = lz4().compressSync(raw);
  return packed.length < raw.length ? packed : raw;
}

/**
 * The raw bytes of a block that verifies.
 * @param raw gets them, and is as long as all of them
 * @param wanted how many are, from the first one on
 * @returns how many it got, as many as are wanted or more; -1 where they are not unpacked to so many
 */
export function unpackBlock(stored: Buffer, raw: Uint8Array, wanted: number): number {
  if (stored.length === raw.length) {
    raw.set(stored);
    return raw.length;
  }
  if (stored.length < 4 || stored.readUInt32LE(0) !== raw.length) return -1;
  return unpackLz4(stored, 4, raw, wanted);
}

type Lz4 = typeof import('lz4-napi');
let loaded: Lz4 | undefined;

/** Native: loaded by those alone that seal. */
function lz4(): Lz4 {
  loaded ??= createRequire(import.meta.url)('lz4-napi') as Lz4;
  return loaded;
}
