/**
 * Open files of segments. A reader holds a lease on a file while it reads it; without one a file is closed when others need
 * its place.
 */
import type { FileHandle } from '../../shared/storage.js';

/** Files that may be open without a lease. */
const IDLE_FILES = 32;

export interface OpenFile {
  readonly handle: FileHandle;
  leases: number;
}

export class OpenFiles {
  readonly #close: (handle: FileHandle) => void;
  /** By segment number, the longest unused first. */
  readonly #files = new Map<number, OpenFile>();
  #closed = false;

  constructor(close: (handle: FileHandle) => void) {
    this.#close = close;
  }

  /** @param open opens the file, where it is not open */
  lease(number: number, open: () => FileHandle): OpenFile {
    const file = this.#files.get(number) ?? { handle: open(), leases: 0 };
    // Moved to the end: the most recently used.
    this.#files.delete(number);
    this.#files.set(number, file);
    file.leases++;
    return file;
  }

  release(number: number, file: OpenFile): void {
    file.leases--;
    if (file.leases > 0) return;
    if (this.#closed || this.#files.get(number) !== file) {
      this.#close(file.handle);
      if (this.#files.get(number) === file) this.#files.delete(number);
      return;
    }
    for (const [other, idle] of this.#files) {
      if (this.#files.size <= IDLE_FILES) return;
      if (idle.leases > 0) continue;
      this.#close(idle.handle);
      this.#files.delete(other);
    }
  }

  /** The file of a segment, where it is open. */
  handleOf(number: number): FileHandle | undefined {
    return this.#files.get(number)?.handle;
  }

  /** Who reads a file goes on with it, others open it anew: a file that has gone is there as long as it is open. */
  forget(number: number): void {
    const file = this.#files.get(number);
    if (file === undefined) return;
    this.#files.delete(number);
    if (file.leases === 0) this.#close(file.handle);
  }

  /** Close what nobody reads now, and the others once they were read. */
  close(): void {
    for (const [number, { handle, leases }] of this.#files) {
      if (leases > 0) continue;
      this.#close(handle);
      this.#files.delete(number);
    }
    this.#closed = true;
  }
}
