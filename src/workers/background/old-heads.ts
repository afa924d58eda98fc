/** The heads of the table that is in force: of the checkpoint, or of the base where there is none yet. */
import path from 'node:path';
import { corrupt } from '../../shared/damage.js';
import { type Bytes, bytesOf } from '../../shared/entries.js';
import { decodeBaseHeader } from '../../shared/format/base.js';
import {
  blocksOf,
  CHECKPOINT_BLOCK_BYTES,
  type CheckpointHeader,
  checkpointBytes,
  decodeCheckpointHeader,
  sectionsOffset,
  verifyBlock,
  verifyFilter,
} from '../../shared/format/checkpoint.js';
import type { PlaceHasher } from '../../shared/format/checksum.js';
import { HEADS_FILE } from '../../shared/format/file-names.js';
import type { FileHandle, Storage } from '../../shared/storage.js';

/** Blocks of a read, at most. */
const BLOCKS = 64;

/** Heads that lie one behind the other. */
export interface HeadsOfBlock {
  readonly entries: Bytes;
  /** Offset of the first. Unit: bytes. */
  readonly at: number;
  readonly count: number;
}

export interface OldHeads {
  readonly count: number;
  /** Bytes of their filter. */
  readonly filterBytes: number;
  /** In order; each block holds until the next one is asked for. @throws ERR_CORRUPT, ERR_STORAGE */
  blocks(): Generator<HeadsOfBlock>;
  /** Read the filter into memory of its size; false where it does not verify. */
  readFilter(target: Buffer): boolean;
  close(): void;
}

/** There is no older table. */
export const NO_HEADS: OldHeads = {
  count: 0,
  filterBytes: 0,
  *blocks() {},
  readFilter: () => false,
  close() {},
};

/**
 * The heads of a checkpoint or a base that is in force, in order; none where there is none (sequence 0).
 * @throws ERR_CORRUPT where it is not there or does not verify: the heads of a checkpoint are then known from the log alone,
 *   and the file is removed, so that the next opening makes it anew; a base is left as it is
 */
export function openOldHeads(storage: Storage, file: string, sequence: number, hasher: PlaceHasher): OldHeads {
  if (sequence === 0) return NO_HEADS;
  const isCheckpoint = path.basename(file) === HEADS_FILE;
  const unusable = (offset: number, message: string): Error => {
    if (isCheckpoint && storage.exists(file)) storage.remove(file);
    return corrupt(file, offset, message);
  };
  if (!storage.exists(file)) throw unusable(0, 'the table in force is missing');
  const handle = storage.openRead(file);
  const first = Buffer.alloc(CHECKPOINT_BLOCK_BYTES);
  storage.read(handle, first, 0);
  const header = (isCheckpoint ? decodeCheckpointHeader : decodeBaseHeader)(first, hasher);
  if (header?.sequence !== sequence || checkpointBytes(header) > storage.size(handle)) {
    storage.close(handle);
    throw unusable(0, 'this is not the table in force');
  }
  return {
    count: header.heads,
    filterBytes: header.filterBytes,
    blocks: () => blocksIn(storage, handle, header, hasher, unusable),
    readFilter(target) {
      storage.read(handle, target, sectionsOffset(header) + header.fenceBytes);
      return verifyFilter(first, target, hasher);
    },
    close: () => storage.close(handle),
  };
}

function* blocksIn(
  storage: Storage,
  handle: FileHandle,
  { heads, sequence }: CheckpointHeader,
  hasher: PlaceHasher,
  unusable: (offset: number, message: string) => Error,
): Generator<HeadsOfBlock> {
  const end = 1 + blocksOf(heads);
  const chunk = Buffer.alloc(Math.min(BLOCKS, end - 1) * CHECKPOINT_BLOCK_BYTES);
  const entries = bytesOf(chunk);
  for (let first = 1; first < end; first += BLOCKS) {
    const length = storage.read(handle, chunk, first * CHECKPOINT_BLOCK_BYTES);
    for (let number = first; number < Math.min(end, first + BLOCKS); number++) {
      const at = (number - first) * CHECKPOINT_BLOCK_BYTES;
      const block = chunk.subarray(at, Math.min(length, at + CHECKPOINT_BLOCK_BYTES));
      const count = verifyBlock(block, number, sequence, hasher);
      if (count === -1) throw unusable(number * CHECKPOINT_BLOCK_BYTES, 'a block does not verify');
      yield { entries, at, count };
    }
  }
}
