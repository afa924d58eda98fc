/** The base in force: what is known of the events below the retention floor. */
import path from 'node:path';
import { baseVerifies } from '../../shared/check-base.js';
import { corrupt } from '../../shared/damage.js';
import {
  type BaseHeader,
  baseBytes,
  decodeBaseHeader,
  firstResultBlock,
  RESULT_BYTES,
  readResult,
  resultBlocks,
  type StoredResult,
  verifyResultBlock,
} from '../../shared/format/base.js';
import { CHECKPOINT_BLOCK_BYTES } from '../../shared/format/checkpoint.js';
import type { PlaceHasher } from '../../shared/format/checksum.js';
import type { NamedBase } from '../../shared/format/manifest.js';
import type { FileHandle, Storage } from '../../shared/storage.js';

const HINT =
  'Nothing was changed. Copy the directory, and look at `keeperlog repair --dry-run`, or put the file back from a backup.';

export class BaseFile {
  readonly header: BaseHeader;
  readonly named: NamedBase;
  readonly #storage: Storage;
  readonly #file: string;
  readonly #handle: FileHandle;
  readonly #hasher: PlaceHasher;
  readonly #block = Buffer.alloc(CHECKPOINT_BLOCK_BYTES);
  #isOpen = true;

  private constructor(
    storage: Storage,
    file: string,
    handle: FileHandle,
    hasher: PlaceHasher,
    header: BaseHeader,
    named: NamedBase,
  ) {
    this.#storage = storage;
    this.#file = file;
    this.#handle = handle;
    this.#hasher = hasher;
    this.header = header;
    this.named = named;
  }

  /**
   * The base that the manifest names. Its blocks are not looked at: {@link verify} does.
   * @throws ERR_CORRUPT where it is not there, or is not that one; ERR_STORAGE
   */
  static open(storage: Storage, dir: string, hasher: PlaceHasher, named: NamedBase): BaseFile {
    const file = path.join(dir, named.file);
    if (!storage.exists(file)) throw damaged(file, 0, 'the base is missing, which the manifest names');
    const handle = storage.openRead(file);
    let opened: BaseFile | undefined;
    try {
      const block = Buffer.alloc(CHECKPOINT_BLOCK_BYTES);
      storage.read(handle, block, 0);
      const header = decodeBaseHeader(block, hasher);
      if (header === undefined || header.checksum !== named.checksum || baseBytes(header) > storage.size(handle)) {
        throw damaged(file, 0, 'this is not the base that the manifest names, or not all of it');
      }
      opened = new BaseFile(storage, file, handle, hasher, header, named);
      return opened;
    } finally {
      if (opened === undefined) storage.close(handle);
    }
  }

  /** Look at every block. @throws ERR_CORRUPT, ERR_STORAGE */
  verify(): void {
    if (!baseVerifies(this.#storage, this.#handle, this.header, this.#hasher)) {
      throw damaged(this.#file, 0, 'the base does not verify');
    }
  }

  /** What is kept of an event. @throws ERR_CORRUPT, ERR_STORAGE */
  find(sequence: number): StoredResult | undefined {
    let low = 0;
    let high = resultBlocks(this.header.results);
    // The last block that begins at or before it.
    while (low < high) {
      const middle = (low + high) >>> 1;
      this.#load(middle);
      if (readResult(this.#block, 0).sequence <= sequence) low = middle + 1;
      else high = middle;
    }
    if (low === 0) return undefined;
    const count = this.#load(low - 1);
    for (let i = 0; i < count; i++) {
      const result = readResult(this.#block, i * RESULT_BYTES);
      if (result.sequence !== sequence) continue;
      if (Number.isSafeInteger(result.revision) && sequence <= this.header.sequence) return result;
      throw damaged(this.#file, 0, 'a result of the base speaks of what cannot be');
    }
    return undefined;
  }

  /** May be called again. */
  close(): void {
    if (this.#isOpen) this.#storage.close(this.#handle);
    this.#isOpen = false;
  }

  /** Have a block of results in memory; returns how many it has. */
  #load(block: number): number {
    const number = firstResultBlock(this.header) + block;
    const offset = number * CHECKPOINT_BLOCK_BYTES;
    const length = this.#storage.read(this.#handle, this.#block, offset);
    const count = verifyResultBlock(this.#block.subarray(0, length), number, this.header.sequence, this.#hasher);
    if (count < 1) throw damaged(this.#file, offset, 'a block of the base does not verify');
    return count;
  }
}

/** The base in force, if there is one: another one takes its place when retention has removed more. */
export class CurrentBase {
  #file: BaseFile | undefined;

  constructor(file: BaseFile | undefined) {
    this.#file = file;
  }

  get file(): BaseFile | undefined {
    return this.#file;
  }

  adopt(file: BaseFile): void {
    this.#file?.close();
    this.#file = file;
  }

  close(): void {
    this.#file?.close();
  }
}

function damaged(file: string, offset: number, message: string): Error {
  return corrupt(file, offset, message, { hint: HINT });
}
