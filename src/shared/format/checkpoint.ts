/**
 * The checkpoint of stream heads and idempotency keys as of one sequence: an immutable table that is looked up in place
 * (one block a lookup), so that opening neither replays the log nor loads every stream. Little-endian, blocks of 4 KiB.
 *
 *   block 0, the header:
 *      0  u32  magic "KLhd"
 *      4  u16  format, 2
 *      6  u16  zero
 *      8  16 B store id
 *     24  u64  sequence up to which it speaks
 *     32  u64  number of heads
 *     40  u64  number of keys
 *     48  u64  bytes of the fence section
 *     56  u64  bytes of the filter section
 *     64  8 B  checksum of the fence section
 *     72  8 B  checksum of the filter section
 *     80  8 B  checksum of bytes 0 to 80
 *   then the blocks of heads, sorted by hash (as two u64, high one first), then the blocks of keys, oldest first:
 *      0  127 entries of 32 bytes: 16 B hash, u64, u64
 *           a head: last revision + 1, last sequence;  a key: sequence, milliseconds since 1970
 *   4064  u32  number of entries in the block, then a u32 of zero
 *   4072  u64  the header's sequence: a block of an earlier checkpoint, of the same place, is none of this one
 *   4080  8 B  zero
 *   4088  8 B  checksum of bytes 0 to 4088
 *   then the fence section: for each block of heads the upper u64 of its first hash;
 *   then the filter section: a Bloom filter of all heads (Bloom 1970), 8 bits a head at least and 7 probes: probe i tests bit
 *   (h0 + i * h1) mod m, with h0 and h1 the two lower u32 of the hash and m the number of bits.
 *
 * Checksums are XXH3 over store id, number of the block (u32; 0 for header and sections) and the bytes.
 */
import type { PlaceHasher } from './checksum.js';
import type { NameHash } from './name-hash.js';
import { isSafeInteger, readSafeInteger, writeSafeInteger } from './record.js';

export const CHECKPOINT_BLOCK_BYTES = 4096;
export const ENTRY_BYTES = 32;
export const ENTRIES_PER_BLOCK = 127;
const COUNT = ENTRIES_PER_BLOCK * ENTRY_BYTES;
const BLOCK_SEQUENCE = COUNT + 8;
const BLOCK_CHECKSUM = CHECKPOINT_BLOCK_BYTES - 8;
/** Whose table it is: this file's, or the base's ({@link file://./base.ts}), which is laid out alike. */
export interface TableKind {
  readonly magic: number;
  readonly format: number;
}
const CHECKPOINT: TableKind = { magic: 0x64684c4b, format: 2 };
const HEADER_CHECKSUM = 80;
/** A filter is made with so many bits a head, and taken over by later tables as long as there are so many at least. */
const FILTER_BITS = { made: 10, least: 8 } as const;
const FILTER_PROBES = 7;
/** Bytes of a fence. */
export const FENCE_BYTES = 8;

export interface CheckpointHeader {
  readonly sequence: number;
  readonly heads: number;
  readonly keys: number;
  readonly fenceBytes: number;
  readonly filterBytes: number;
}

export interface CheckpointSections extends Omit<CheckpointHeader, 'fenceBytes' | 'filterBytes'> {
  readonly fences: Buffer;
  readonly filter: Buffer;
}

export function blocksOf(entries: number): number {
  return Math.ceil(entries / ENTRIES_PER_BLOCK);
}

/** Where the blocks of keys begin. Unit: blocks. */
export function firstKeyBlock(header: CheckpointHeader): number {
  return 1 + blocksOf(header.heads);
}

/** Where the fences begin, with the filter behind them. Unit: bytes. */
export function sectionsOffset(header: CheckpointHeader): number {
  return (firstKeyBlock(header) + blocksOf(header.keys)) * CHECKPOINT_BLOCK_BYTES;
}

/** The size of a new filter for so many heads. */
export function filterBytesFor(heads: number): number {
  return Math.ceil((heads * FILTER_BITS.made) / 8);
}

/** Whether a filter of so many bytes has room for so many heads. */
export function isFilterFor(filterBytes: number, heads: number): boolean {
  return filterBytes * 8 >= heads * FILTER_BITS.least;
}

/** @param h0 the two lower u32 of a hash */
export function addToFilter(filter: Buffer, h0: number, h1: number): void {
  const bits = filter.length * 8;
  const step = h1 % bits;
  let bit = h0 % bits;
  for (let i = 0; i < FILTER_PROBES; i++) {
    filter[bit >>> 3] = filter[bit >>> 3]! | (1 << (bit & 7));
    bit = (bit + step) % bits;
  }
}

/** False: it is certainly not there. */
export function mayContain(filter: Buffer, hash: NameHash): boolean {
  const bits = filter.length * 8;
  if (bits === 0) return false;
  const step = hash[1]! % bits;
  let bit = hash[0]! % bits;
  for (let i = 0; i < FILTER_PROBES; i++) {
    if ((filter[bit >>> 3]! & (1 << (bit & 7))) === 0) return false;
    bit = (bit + step) % bits;
  }
  return true;
}

export function encodeCheckpointHeader(
  sections: CheckpointSections,
  storeId: Uint8Array,
  hasher: PlaceHasher,
  kind = CHECKPOINT,
): Buffer {
  const block = Buffer.alloc(CHECKPOINT_BLOCK_BYTES);
  const view = new DataView(block.buffer, block.byteOffset, block.length);
  view.setUint32(0, kind.magic, true);
  view.setUint16(4, kind.format, true);
  block.set(storeId, 8);
  writeSafeInteger(view, 24, sections.sequence);
  writeSafeInteger(view, 32, sections.heads);
  writeSafeInteger(view, 40, sections.keys);
  writeSafeInteger(view, 48, sections.fences.length);
  writeSafeInteger(view, 56, sections.filter.length);
  block.set(hasher.digest(0, sections.fences), 64);
  block.set(hasher.digest(0, sections.filter), 72);
  block.set(hasher.digest(0, block.subarray(0, HEADER_CHECKSUM)), HEADER_CHECKSUM);
  return block;
}

/** The header in a file's first block, or undefined if it is none of this store, or says what cannot be. */
export function decodeCheckpointHeader(
  block: Buffer,
  hasher: PlaceHasher,
  kind = CHECKPOINT,
): CheckpointHeader | undefined {
  if (block.length < CHECKPOINT_BLOCK_BYTES) return undefined;
  const view = new DataView(block.buffer, block.byteOffset, block.length);
  if (view.getUint32(0, true) !== kind.magic || view.getUint16(4, true) !== kind.format) return undefined;
  if (!hasher.verify(block, HEADER_CHECKSUM, 0, block.subarray(0, HEADER_CHECKSUM))) return undefined;
  if (![24, 32, 40, 48, 56].every((place) => isSafeInteger(view, place))) return undefined;
  const header: CheckpointHeader = {
    sequence: readSafeInteger(view, 24),
    heads: readSafeInteger(view, 32),
    keys: readSafeInteger(view, 40),
    fenceBytes: readSafeInteger(view, 48),
    filterBytes: readSafeInteger(view, 56),
  };
  return header.fenceBytes === blocksOf(header.heads) * FENCE_BYTES ? header : undefined;
}

/** How long a file with this header is at least. Unit: bytes. */
export function checkpointBytes(header: CheckpointHeader): number {
  return sectionsOffset(header) + header.fenceBytes + header.filterBytes;
}

/** Whether the sections are those that the header's block speaks of. */
export function verifySections(block: Buffer, fences: Buffer, filter: Buffer, hasher: PlaceHasher): boolean {
  return hasher.verify(block, 64, 0, fences) && verifyFilter(block, filter, hasher);
}

/** Whether the filter is the one that the header's block speaks of. */
export function verifyFilter(block: Buffer, filter: Buffer, hasher: PlaceHasher): boolean {
  return hasher.verify(block, 72, 0, filter);
}

/** Close a block that holds so many entries of a checkpoint as of a sequence. */
export function sealBlock(
  block: Buffer,
  count: number,
  number: number,
  sequence: number,
  hasher: PlaceHasher,
  entryBytes = ENTRY_BYTES,
): void {
  block.fill(0, count * entryBytes);
  block.writeUInt32LE(count, COUNT);
  writeSafeInteger(viewOf(block), BLOCK_SEQUENCE, sequence);
  block.set(hasher.digest(number, block.subarray(0, BLOCK_CHECKSUM)), BLOCK_CHECKSUM);
}

/** The number of entries of a block, or -1 if it does not verify as one of the checkpoint as of a sequence. */
export function verifyBlock(block: Buffer, number: number, sequence: number, hasher: PlaceHasher): number {
  if (block.length < CHECKPOINT_BLOCK_BYTES) return -1;
  if (!hasher.verify(block, BLOCK_CHECKSUM, number, block.subarray(0, BLOCK_CHECKSUM))) return -1;
  if (readSafeInteger(viewOf(block), BLOCK_SEQUENCE) !== sequence) return -1;
  const count = block.readUInt32LE(COUNT);
  return count <= ENTRIES_PER_BLOCK ? count : -1;
}

function viewOf(block: Buffer): DataView {
  return new DataView(block.buffer, block.byteOffset, block.length);
}

/** Compare two hashes, each at a byte offset, in the order of the heads. */
export function compareHashes(a: DataView, atA: number, b: DataView, atB: number): number {
  for (const word of [4, 0, 12, 8]) {
    const difference = a.getUint32(atA + word, true) - b.getUint32(atB + word, true);
    if (difference !== 0) return difference;
  }
  return 0;
}
