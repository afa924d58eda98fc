/**
 * Whether sealed segments are as they were. Compaction replaces their files, and says nothing of it: the log is the same but for
 * events that are gone.
 */
import path from 'node:path';
import { sealedFile, sealedNumber } from '../../shared/format/file-names.js';
import { isCompactedHeader, SEALED_HEADER_BYTES } from '../../shared/format/sealed.js';
import { isKeeperError } from '../../shared/portable/errors.js';
import { type ReadStorage, readRange } from '../../shared/storage.js';

/** Whether two files of a sealed segment have the same header, which has the checksums of all that they hold. */
export function isSameSealed(storage: ReadStorage, one: string, other: string): boolean {
  return headerOf(storage, one)?.equals(headerOf(storage, other) ?? Buffer.alloc(0)) === true;
}

/** The headers of a store's sealed segments, by their numbers. */
export class SealedHeaders {
  readonly #storage: ReadStorage;
  readonly #dir: string;
  readonly #headers = new Map<string, Buffer>();

  constructor(storage: ReadStorage, dir: string) {
    this.#storage = storage;
    this.#dir = dir;
    for (const name of storage.list(dir)) {
      const header = sealedNumber(name) === undefined ? undefined : headerOf(storage, path.join(dir, name));
      if (header !== undefined) this.#headers.set(name, header);
    }
  }

  /** Whether anything has been taken out of a segment since, that is still there. */
  hasChanged(number: number): boolean {
    const name = sealedFile(number);
    const now = headerOf(this.#storage, path.join(this.#dir, name));
    return now !== undefined && isCompactedHeader(now) && this.#headers.get(name)?.equals(now) !== true;
  }
}

/** Undefined where there is no such file. */
function headerOf(storage: ReadStorage, file: string): Buffer | undefined {
  try {
    return readRange(storage, file, 0, SEALED_HEADER_BYTES);
  } catch (error) {
    if (isKeeperError(error, 'ERR_STORAGE') && error.errno === 'ENOENT') return undefined;
    throw error;
  }
}
