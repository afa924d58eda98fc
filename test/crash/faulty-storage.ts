/** A storage on which a group commit fails: its process dies over it and writes nothing more, or its sync does not work. */
import { FRAME_HEADER_BYTES } from '../../dist/shared/format/frame.js';
import { SEGMENT_HEADER_BYTES } from '../../dist/shared/format/segment.js';
import { type FileHandle, type Storage, storageError } from '../../dist/shared/storage.js';
import { intercept } from './intercept.js';
import type { MemoryDisk } from './memory-disk.js';

/**
 * The process dies when half of the frame is in the page cache, or before the sync; the sync fails; there is no space
 * until the writer has cut back what it could not write.
 */
export type Fault = 'die-in-write' | 'die-before-sync' | 'fail-sync' | 'no-space';

export class FaultyStorage {
  readonly storage: Storage;
  readonly #onDeath: () => void;
  #fault: Fault | undefined;
  /** The segment that the newest frame was written to. */
  #log: FileHandle | undefined;
  #dead = false;

  constructor(inner: MemoryDisk<any>, onDeath: () => void) {
    this.#onDeath = onDeath;
    this.storage = intercept(inner, {
      write: (handle, parts, offset) => {
        this.#checkAlive();
        if (isFrame(parts)) this.#log = handle;
        if (this.#fault === 'no-space' && handle === this.#log) {
          throw storageError(Object.assign(new Error('the disk is full'), { code: 'ENOSPC' }), 'write');
        }
        if (this.#fault !== 'die-in-write' || handle !== this.#log) return inner.write(handle, parts, offset);
        const bytes = Buffer.concat(withoutZeros(parts));
        inner.write(handle, [bytes.subarray(0, bytes.length >>> 1)], offset);
        return this.#die();
      },
      truncate: (handle, length) => {
        this.#checkAlive();
        if (this.#fault === 'no-space') this.#fault = undefined;
        inner.truncate(handle, length);
      },
      sync: (handle) => {
        this.#checkAlive();
        if (handle !== this.#log) return inner.sync(handle);
        if (this.#fault === 'die-before-sync') this.#die();
        if (this.#fault === 'fail-sync') inner.failSync(handle);
        inner.sync(handle);
      },
    });
  }

  /** Have the next group commit fail. */
  failNext(fault: Fault): void {
    this.#fault = fault;
    this.#log = undefined;
  }

  #die(): never {
    this.#dead = true;
    this.#onDeath();
    throw new Error('the process has died');
  }

  #checkAlive(): void {
    if (this.#dead) throw new Error('the process has died');
  }
}

/** A frame without what is written ahead of the next one. */
function withoutZeros(parts: readonly Uint8Array[]): readonly Uint8Array[] {
  return parts.at(-1)!.every((byte) => byte === 0) ? parts.slice(0, -1) : parts;
}

/** Frames are written with their header, or that of their segment, as the first part. */
function isFrame(parts: readonly Uint8Array[]): boolean {
  const first = parts[0]?.length;
  return parts.length > 1 && (first === FRAME_HEADER_BYTES || first === SEGMENT_HEADER_BYTES);
}
