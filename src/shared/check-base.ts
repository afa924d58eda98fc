/** Whether all of a base verifies: its table of heads and keys, and the results behind it. */
import { type BaseHeader, baseBytes, firstResultBlock, resultBlocks, verifyResultBlock } from './format/base.js';
import { CHECKPOINT_BLOCK_BYTES, sectionsOffset, verifyBlock, verifySections } from './format/checkpoint.js';
import type { PlaceHasher } from './format/checksum.js';
import type { FileHandle, ReadStorage } from './storage.js';

/** Blocks that are read at once. */
const CHUNK_BLOCKS = 256;

/** @throws ERR_STORAGE */
export function baseVerifies(
  storage: ReadStorage,
  handle: FileHandle,
  header: BaseHeader,
  hasher: PlaceHasher,
): boolean {
  if (storage.size(handle) < baseBytes(header)) return false;
  const tables = sectionsOffset(header) / CHECKPOINT_BLOCK_BYTES;
  const isTable = (block: Buffer, number: number): boolean =>
    verifyBlock(block, number, header.sequence, hasher) !== -1;
  if (!everyBlock(storage, handle, 1, tables, isTable)) return false;
  const first = Buffer.alloc(CHECKPOINT_BLOCK_BYTES);
  const fences = Buffer.alloc(header.fenceBytes);
  const filter = Buffer.alloc(header.filterBytes);
  storage.read(handle, first, 0);
  storage.read(handle, fences, sectionsOffset(header));
  storage.read(handle, filter, sectionsOffset(header) + fences.length);
  if (!verifySections(first, fences, filter, hasher)) return false;
  let results = 0;
  const isResults = (block: Buffer, number: number): boolean => {
    const count = verifyResultBlock(block, number, header.sequence, hasher);
    results += count;
    return count > 0;
  };
  const from = firstResultBlock(header);
  const areAll = everyBlock(storage, handle, from, from + resultBlocks(header.results), isResults);
  return areAll && results === header.results;
}

function everyBlock(
  storage: ReadStorage,
  handle: FileHandle,
  from: number,
  to: number,
  check: (block: Buffer, number: number) => boolean,
): boolean {
  const chunk = Buffer.alloc(Math.min(CHUNK_BLOCKS, to - from) * CHECKPOINT_BLOCK_BYTES);
  for (let first = from; first < to; first += CHUNK_BLOCKS) {
    const length = storage.read(handle, chunk, first * CHECKPOINT_BLOCK_BYTES);
    for (let number = first; number < Math.min(to, first + CHUNK_BLOCKS); number++) {
      const at = (number - first) * CHECKPOINT_BLOCK_BYTES;
      if (!check(chunk.subarray(at, Math.min(length, at + CHECKPOINT_BLOCK_BYTES)), number)) return false;
    }
  }
  return true;
}
