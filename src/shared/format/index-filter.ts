/**
 * The filter of a field in an index file: it says of most values that are not in the dictionary that they are not. A
 * split-block Bloom filter (Putze, Sanders, Singler 2007), with the salts and the order of bits of Apache Parquet
 * (https://parquet.apache.org/docs/file-format/bloomfilter/): a value has a bit in each of the eight words of one block of 32
 * bytes, so that one small read tells. The hash is XXH3 of the value, place: the segment.
 *
 * Blocks are kept in pages of 128, the last one may have fewer; each page is a block of the file by itself.
 */

export const FILTER_BLOCK_BYTES = 32;
export const BLOCKS_PER_PAGE = 128;
/** One value in a hundred that is not there passes. */
const BITS_PER_VALUE = 10;
const SALTS = [0x47b6137b, 0x44974d91, 0x8824ad5b, 0xa2b7289d, 0x705495c7, 0x2df1424b, 0x9efc4947, 0x5c6bfb31] as const;

/** How many blocks a filter of so many values has. */
export function filterBlocksFor(values: number): number {
  return Math.ceil((values * BITS_PER_VALUE) / (8 * FILTER_BLOCK_BYTES));
}

/** The block of a value, by the upper half of its hash. */
export function filterBlockOf(hash: Uint8Array, blocks: number): number {
  return Math.floor((word(hash, 4) * blocks) / 2 ** 32);
}

/** @param at where the value's block begins in the bytes */
export function addToBlock(bytes: Buffer, at: number, hash: Uint8Array): void {
  const low = word(hash, 0);
  for (let i = 0; i < SALTS.length; i++) {
    const bit = bitOf(low, i);
    bytes[at + 4 * i + (bit >>> 3)]! |= 1 << (bit & 7);
  }
}

/** False: the value is certainly not there. */
export function mayBeInBlock(bytes: Buffer, at: number, hash: Uint8Array): boolean {
  const low = word(hash, 0);
  for (let i = 0; i < SALTS.length; i++) {
    const bit = bitOf(low, i);
    if ((bytes[at + 4 * i + (bit >>> 3)]! & (1 << (bit & 7))) === 0) return false;
  }
  return true;
}

function bitOf(low: number, i: number): number {
  return Math.imul(low, SALTS[i]!) >>> 27;
}

function word(bytes: Uint8Array, at: number): number {
  return (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)) >>> 0;
}
