/**
 * A base that does not verify is made anew of the checkpoint, where that is whole and not older: the heads of all streams that have no
 * event from the floor on are the same in both, and those of the others are in the log. What is kept of single events is lost.
 */
import path from 'node:path';
import { encodeBaseHeader } from '../../shared/format/base.js';
import {
  addToFilter,
  blocksOf,
  CHECKPOINT_BLOCK_BYTES,
  type CheckpointHeader,
  checkpointBytes,
  decodeCheckpointHeader,
  ENTRIES_PER_BLOCK,
  ENTRY_BYTES,
  FENCE_BYTES,
  filterBytesFor,
  firstKeyBlock,
  sealBlock,
  verifyBlock,
} from '../../shared/format/checkpoint.js';
import { HEADS_FILE } from '../../shared/format/file-names.js';
import { readSafeInteger } from '../../shared/format/record.js';
import type { FileHandle, Storage } from '../../shared/storage.js';
import type { Identity } from './identity.js';

/** A base, and the checksum that the manifest is to have of it. */
export interface NewBase {
  readonly content: readonly Buffer[];
  readonly checksum: string;
}

/** Undefined where no checkpoint has what it had. @throws ERR_STORAGE */
export function baseOfCheckpoint(storage: Storage, dir: string, identity: Identity): NewBase | undefined {
  const file = path.join(dir, HEADS_FILE);
  if (!storage.exists(file)) return undefined;
  const handle = storage.openRead(file);
  try {
    const block = Buffer.alloc(CHECKPOINT_BLOCK_BYTES);
    storage.read(handle, block, 0);
    const header = decodeCheckpointHeader(block, identity.hasher);
    const { floor } = identity.manifest;
    if (header === undefined || header.sequence < floor - 1 || checkpointBytes(header) > storage.size(handle)) {
      return undefined;
    }
    return new Rebuilding(storage, handle, identity, header).run();
  } finally {
    storage.close(handle);
  }
}

class Rebuilding {
  readonly #storage: Storage;
  readonly #handle: FileHandle;
  readonly #identity: Identity;
  readonly #from: CheckpointHeader;
  readonly #sequence: number;
  readonly #blocks: Buffer[] = [];
  #block = Buffer.alloc(CHECKPOINT_BLOCK_BYTES);
  #inBlock = 0;

  constructor(storage: Storage, handle: FileHandle, identity: Identity, from: CheckpointHeader) {
    this.#storage = storage;
    this.#handle = handle;
    this.#identity = identity;
    this.#from = from;
    this.#sequence = identity.manifest.floor - 1;
  }

  /** Undefined where a block of the checkpoint does not verify. */
  run(): NewBase | undefined {
    const { heads: all, keys: allKeys } = this.#from;
    const filter = Buffer.alloc(filterBytesFor(all));
    const fences = Buffer.alloc(blocksOf(all) * FENCE_BYTES);
    // A head has its last sequence behind its revision, a key its sequence before its time.
    const heads = this.#take(1, all, 24, (entry, number) => {
      addToFilter(filter, entry.readUInt32LE(0), entry.readUInt32LE(4));
      if (number % ENTRIES_PER_BLOCK === 0)
        entry.copy(fences, (number / ENTRIES_PER_BLOCK) * FENCE_BYTES, 0, FENCE_BYTES);
    });
    const keys = heads === undefined ? undefined : this.#take(firstKeyBlock(this.#from), allKeys, 16, () => {});
    if (heads === undefined || keys === undefined) return undefined;
    const sections = { fences: fences.subarray(0, blocksOf(heads) * FENCE_BYTES), filter };
    const { storeId, hasher } = this.#identity;
    const header = encodeBaseHeader({ sequence: this.#sequence, heads, keys, ...sections }, 0, storeId, hasher);
    const content = [header.block, ...this.#blocks, sections.fences, filter].filter(({ length }) => length > 0);
    return { content, checksum: header.checksum };
  }

  /**
   * Take those of some entries that speak of what is below the floor. Returns how many.
   * @param first the block that they begin in
   * @param at where an entry has its sequence
   */
  #take(
    first: number,
    count: number,
    at: number,
    onTaken: (entry: Buffer, number: number) => void,
  ): number | undefined {
    let taken = 0;
    const { hasher } = this.#identity;
    const block = Buffer.alloc(CHECKPOINT_BLOCK_BYTES);
    for (let number = first; number < first + blocksOf(count); number++) {
      this.#storage.read(this.#handle, block, number * CHECKPOINT_BLOCK_BYTES);
      const inBlock = verifyBlock(block, number, this.#from.sequence, hasher);
      if (inBlock === -1) return undefined;
      for (let i = 0; i < inBlock; i++) {
        const entry = block.subarray(i * ENTRY_BYTES, (i + 1) * ENTRY_BYTES);
        const view = new DataView(entry.buffer, entry.byteOffset, ENTRY_BYTES);
        if (readSafeInteger(view, at) > this.#sequence) continue;
        onTaken(entry, taken++);
        this.#add(entry);
      }
    }
    this.#endBlock();
    return taken;
  }

  #add(entry: Buffer): void {
    entry.copy(this.#block, this.#inBlock++ * ENTRY_BYTES);
    if (this.#inBlock === ENTRIES_PER_BLOCK) this.#endBlock();
  }

  #endBlock(): void {
    if (this.#inBlock === 0) return;
    sealBlock(this.#block, this.#inBlock, this.#blocks.length + 1, this.#sequence, this.#identity.hasher);
    this.#blocks.push(this.#block);
    this.#block = Buffer.alloc(CHECKPOINT_BLOCK_BYTES);
    this.#inBlock = 0;
  }
}
