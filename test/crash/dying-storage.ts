/** A storage that ends with its process in the middle of a group commit: nothing after that reaches the disk. */
import { FRAME_HEADER_BYTES } from '../../dist/shared/format/frame.js';
import { SEGMENT_HEADER_BYTES } from '../../dist/shared/format/segment.js';
import type { FileHandle, Storage } from '../../dist/shared/storage.js';
import { intercept } from './intercept.js';

/** Where the process dies: in the write of a frame, half of which reaches the page cache, or before its sync. */
export type Death = 'write' | 'sync';

export class DyingStorage {
  readonly storage: Storage;
  readonly #onDeath: () => void;
  #death: Death | undefined;
  /** The segment that the newest frame was written to. */
  #log: FileHandle | undefined;
  #dead = false;

  constructor(inner: Storage, onDeath: () => void) {
    this.#onDeath = onDeath;
    this.storage = intercept(inner, {
      write: (handle, parts, offset) => {
        this.#checkAlive();
        if (!isFrame(parts)) return inner.write(handle, parts, offset);
        this.#log = handle;
        if (this.#death !== 'write') return inner.write(handle, parts, offset);
        const bytes = Buffer.concat(parts);
        inner.write(handle, [bytes.subarray(0, bytes.length >>> 1)], offset);
        return this.#die();
      },
      sync: (handle) => {
        this.#checkAlive();
        if (this.#death === 'sync' && handle === this.#log) this.#die();
        inner.sync(handle);
      },
    });
  }

  /** Die in the next group commit. */
  dieAtNext(death: Death): void {
    this.#death = death;
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

/** Frames are written with their header, or that of their segment, as the first part. */
function isFrame(parts: readonly Uint8Array[]): boolean {
  const first = parts[0]?.length;
  return parts.length > 1 && (first === FRAME_HEADER_BYTES || first === SEGMENT_HEADER_BYTES);
}
