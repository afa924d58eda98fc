/**
 * The checkpoint in force, or the base where there is none yet, looked up in place: a filter in memory says first what must be absent,
 * else one block is read.
 */
import path from 'node:path';
import { corrupt } from '../../shared/damage.js';
import { decodeBaseHeader } from '../../shared/format/base.js';
import {
  CHECKPOINT_BLOCK_BYTES,
  type CheckpointHeader,
  checkpointBytes,
  decodeCheckpointHeader,
  ENTRIES_PER_BLOCK,
  ENTRY_BYTES,
  FENCE_BYTES,
  firstKeyBlock,
  mayContain,
  sectionsOffset,
  verifyBlock,
  verifySections,
} from '../../shared/format/checkpoint.js';
import type { PlaceHasher } from '../../shared/format/checksum.js';
import { HEADS_FILE } from '../../shared/format/file-names.js';
import type { NamedBase } from '../../shared/format/manifest.js';
import type { NameHash } from '../../shared/format/name-hash.js';
import { isSafeInteger, readSafeInteger } from '../../shared/format/record.js';
import type { KeeperError } from '../../shared/portable/errors.js';
import type { FileHandle, Storage } from '../../shared/storage.js';

function namedHeader(block: Buffer, hasher: PlaceHasher, { checksum }: NamedBase): CheckpointHeader | undefined {
  const header = decodeBaseHeader(block, hasher);
  return header?.checksum === checksum ? header : undefined;
}

/** Blocks that are read at once when all of them are. */
const CHUNK_BLOCKS = 256;

/** What a head's entry says. */
export interface StoredHead {
  readonly revision: number;
  readonly lastSequence: number;
}

export class HeadsFile {
  readonly header: CheckpointHeader;
  readonly #storage: Storage;
  readonly #file: string;
  readonly #handle: FileHandle;
  readonly #hasher: PlaceHasher;
  readonly #fences: DataView;
  readonly #filter: Buffer;
  #isOpen = true;
  readonly #block = Buffer.alloc(CHECKPOINT_BLOCK_BYTES);
  readonly #view = new DataView(this.#block.buffer, this.#block.byteOffset, CHECKPOINT_BLOCK_BYTES);

  private constructor(
    storage: Storage,
    file: string,
    handle: FileHandle,
    hasher: PlaceHasher,
    header: CheckpointHeader,
    fences: Buffer,
    filter: Buffer,
  ) {
    this.#storage = storage;
    this.#file = file;
    this.#handle = handle;
    this.#hasher = hasher;
    this.header = header;
    this.#fences = new DataView(fences.buffer, fences.byteOffset, fences.length);
    this.#filter = filter;
  }

  /**
   * The checkpoint of a directory; undefined where there is none that verifies: it can always be made anew.
   * @param base that is opened in its place
   */
  static open(storage: Storage, dir: string, hasher: PlaceHasher, base?: NamedBase): HeadsFile | undefined {
    const file = path.join(dir, base?.file ?? HEADS_FILE);
    if (!storage.exists(file)) return undefined;
    const handle = storage.openRead(file);
    let opened: HeadsFile | undefined;
    try {
      const block = Buffer.alloc(CHECKPOINT_BLOCK_BYTES);
      storage.read(handle, block, 0);
      const header = base === undefined ? decodeCheckpointHeader(block, hasher) : namedHeader(block, hasher, base);
      // Whatever its sizes claim, they are held against the file before memory is taken for them.
      if (header === undefined || checkpointBytes(header) > storage.size(handle)) return undefined;
      const fences = Buffer.alloc(header.fenceBytes);
      const filter = Buffer.alloc(header.filterBytes);
      storage.read(handle, fences, sectionsOffset(header));
      storage.read(handle, filter, sectionsOffset(header) + fences.length);
      if (!verifySections(block, fences, filter, hasher)) return undefined;
      opened = new HeadsFile(storage, file, handle, hasher, header, fences, filter);
      return opened;
    } finally {
      if (opened === undefined) storage.close(handle);
    }
  }

  /** Its name. */
  get name(): string {
    return path.basename(this.#file);
  }

  /** Memory in use. */
  get bytes(): number {
    return this.#fences.byteLength + this.#filter.length;
  }

  /** Whether every block verifies. Reads all of the file: to be asked once, when the store is opened. */
  verifies(): boolean {
    const end = sectionsOffset(this.header) / CHECKPOINT_BLOCK_BYTES;
    const chunk = Buffer.alloc(Math.min(CHUNK_BLOCKS, end) * CHECKPOINT_BLOCK_BYTES);
    for (let first = 1; first < end; first += CHUNK_BLOCKS) {
      const length = this.#storage.read(this.#handle, chunk, first * CHECKPOINT_BLOCK_BYTES);
      for (let number = first; number < Math.min(end, first + CHUNK_BLOCKS); number++) {
        const at = (number - first) * CHECKPOINT_BLOCK_BYTES;
        const block = chunk.subarray(at, Math.min(length, at + CHECKPOINT_BLOCK_BYTES));
        if (verifyBlock(block, number, this.header.sequence, this.#hasher) === -1) return false;
      }
    }
    return true;
  }

  /** @throws ERR_CORRUPT, and then the file is gone: the next opening makes it anew; ERR_STORAGE */
  find(hash: NameHash): StoredHead | undefined {
    if (!mayContain(this.#filter, hash)) return undefined;
    const number = this.#blockFor(hash);
    if (number === 0) return undefined;
    const count = this.#load(number);
    let low = 0;
    let high = count;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const order = this.#compare(hash, middle * ENTRY_BYTES);
      if (order === 0) {
        const at = middle * ENTRY_BYTES;
        const lastSequence = readSafeInteger(this.#view, at + 24);
        const revision = readSafeInteger(this.#view, at + 16) - 1;
        // A stream has no more events than the store had.
        const canBe = lastSequence <= this.header.sequence && isSafeInteger(this.#view, at + 16);
        if (!canBe) throw this.#unusable(number, 'a head speaks of events that the checkpoint does not cover');
        return { revision, lastSequence };
      }
      if (order < 0) high = middle;
      else low = middle + 1;
    }
    return undefined;
  }

  /** Every key, oldest first. Throws like {@link find}. */
  forEachKey(visit: (hash: NameHash, sequence: number, timeMs: number) => void): void {
    let left = this.header.keys;
    for (let number = firstKeyBlock(this.header); left > 0; number++) {
      const count = this.#load(number);
      for (let at = 0; at < count * ENTRY_BYTES; at += ENTRY_BYTES) {
        const sequence = readSafeInteger(this.#view, at + 16);
        const canBe = sequence <= this.header.sequence && isSafeInteger(this.#view, at + 24);
        if (!canBe) throw this.#unusable(number, 'a key speaks of an event that the checkpoint does not cover');
        visit(this.#hashAt(at), sequence, readSafeInteger(this.#view, at + 24));
      }
      left -= Math.min(count, ENTRIES_PER_BLOCK);
    }
  }

  /** May be called again. */
  close(): void {
    if (this.#isOpen) this.#storage.close(this.#handle);
    this.#isOpen = false;
  }

  /** The block that would hold a hash: the last one whose first hash is not above it. Block numbers begin at 1. */
  #blockFor(hash: NameHash): number {
    let low = 0;
    let high = this.#fences.byteLength / FENCE_BYTES;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const upper = this.#fences.getUint32(middle * 8 + 4, true) - hash[1]!;
      const order = upper !== 0 ? upper : this.#fences.getUint32(middle * 8, true) - hash[0]!;
      if (order <= 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** The number of a block's entries, or -1 if it does not verify. */
  #read(number: number): number {
    this.#storage.read(this.#handle, this.#block, number * CHECKPOINT_BLOCK_BYTES);
    return verifyBlock(this.#block, number, this.header.sequence, this.#hasher);
  }

  #load(number: number): number {
    const count = this.#read(number);
    if (count !== -1) return count;
    throw this.#unusable(number, 'a block of the checkpoint does not verify');
  }

  /** The checkpoint goes: the log knows everything that it knew. The base stays: nothing else knows what it knew. */
  #unusable(number: number, message: string): KeeperError {
    if (path.basename(this.#file) !== HEADS_FILE) {
      return corrupt(this.#file, number * CHECKPOINT_BLOCK_BYTES, message);
    }
    if (this.#storage.exists(this.#file)) this.#storage.remove(this.#file);
    const advice = 'close the store and open it again, to have it rebuilt';
    return corrupt(this.#file, number * CHECKPOINT_BLOCK_BYTES, `${message}; ${advice}`);
  }

  #hashAt(at: number): NameHash {
    const view = this.#view;
    return Uint32Array.of(
      view.getUint32(at, true),
      view.getUint32(at + 4, true),
      view.getUint32(at + 8, true),
      view.getUint32(at + 12, true),
    );
  }

  #compare(hash: NameHash, at: number): number {
    for (const word of [1, 0, 3, 2]) {
      const difference = hash[word]! - this.#view.getUint32(at + word * 4, true);
      if (difference !== 0) return difference;
    }
    return 0;
  }
}
