/** Gathers entries into the blocks of a table, and writes many blocks at once. */
import { CHECKPOINT_BLOCK_BYTES, ENTRIES_PER_BLOCK, ENTRY_BYTES, sealBlock } from '../../shared/format/checkpoint.js';
import type { PlaceHasher } from '../../shared/format/checksum.js';
import { type FileHandle, type Storage, writeFully } from '../../shared/storage.js';

/** Blocks of a write, at most. */
const BLOCKS = 64;

/** Where a section of a table begins, and what its entries are like. */
export interface SectionLayout {
  /** The number of its first block. */
  readonly first: number;
  readonly entryBytes: number;
  readonly perBlock: number;
}

/** Heads and keys, which come first. */
const ENTRIES: SectionLayout = { first: 1, entryBytes: ENTRY_BYTES, perBlock: ENTRIES_PER_BLOCK };

export class BlockWriter {
  readonly #storage: Storage;
  readonly #handle: FileHandle;
  readonly #sequence: number;
  readonly #hasher: PlaceHasher;
  readonly #blocks = Buffer.alloc(BLOCKS * CHECKPOINT_BLOCK_BYTES);
  readonly #entryBytes: number;
  readonly #perBlock: number;
  /** Of the first block that is not written. */
  #number: number;
  /** Full blocks that are not written, and entries in the one behind them. */
  #full = 0;
  #count = 0;

  /** @param sequence of the table */
  constructor(storage: Storage, handle: FileHandle, sequence: number, hasher: PlaceHasher, layout = ENTRIES) {
    this.#storage = storage;
    this.#handle = handle;
    this.#sequence = sequence;
    this.#hasher = hasher;
    this.#number = layout.first;
    this.#entryBytes = layout.entryBytes;
    this.#perBlock = layout.perBlock;
  }

  /** Where the next block goes. Unit: bytes. */
  get offset(): number {
    return (this.#number + this.#full) * CHECKPOINT_BLOCK_BYTES;
  }

  /** Entries that lie one behind the other. */
  add(bytes: Uint8Array, at: number, count = 1): void {
    for (let done = 0; done < count; ) {
      const part = Math.min(count - done, this.#perBlock - this.#count);
      const from = bytes.byteOffset + at + done * this.#entryBytes;
      // Not subarray: of a Buffer that takes as long as copying twenty entries.
      const entries = new Uint8Array(bytes.buffer, from, part * this.#entryBytes);
      this.#blocks.set(entries, this.#full * CHECKPOINT_BLOCK_BYTES + this.#count * this.#entryBytes);
      this.#count += part;
      done += part;
      if (this.#count === this.#perBlock) this.#endBlock();
    }
  }

  /** Write all that is gathered: the next entry begins a new block. */
  endSection(): void {
    this.#endBlock();
    this.#write();
  }

  #endBlock(): void {
    if (this.#count === 0) return;
    const at = this.#full * CHECKPOINT_BLOCK_BYTES;
    const block = this.#blocks.subarray(at, at + CHECKPOINT_BLOCK_BYTES);
    sealBlock(block, this.#count, this.#number + this.#full, this.#sequence, this.#hasher, this.#entryBytes);
    this.#count = 0;
    this.#full++;
    if (this.#full === BLOCKS) this.#write();
  }

  #write(): void {
    if (this.#full === 0) return;
    const blocks = this.#blocks.subarray(0, this.#full * CHECKPOINT_BLOCK_BYTES);
    writeFully(this.#storage, this.#handle, [blocks], this.#number * CHECKPOINT_BLOCK_BYTES);
    this.#number += this.#full;
    this.#full = 0;
  }
}
