/**
 * A guess whether small reads are served from the page cache: then reading at once takes microseconds, a tenth of what the
 * way through the thread pool and back takes. It cannot be asked for, so it is tried, and what it takes is watched: after two
 * reads near each other that took as long as a disk does, the next ones go by the pool for a while, and for twice as long if the next
 * trial is slow again. So the thread seldom waits for a disk. A single one tells nothing: another thread may have had the core.
 */

import type { ReadStorage } from '../../shared/storage.js';

/** Larger reads always go by the pool. Unit: bytes. */
const SMALL_BYTES = 64 * 1024;
/** A read that takes longer came from the disk, or another thread had the core. */
const SLOW_MS = 0.5;
/** Of so many reads, one may be slow. */
const NEAR_READS = 32;
const FIRST_PAUSE_MS = 10;
const LONGEST_PAUSE_MS = 1280;

export class PageCache {
  #pauseMs = FIRST_PAUSE_MS;
  #pausedUntil = 0;
  /** Fast reads since the last slow one. */
  #sinceSlow = NEAR_READS;

  /** Whether to read so many bytes at once. */
  isLikely(bytes: number): boolean {
    return bytes <= SMALL_BYTES && performance.now() >= this.#pausedUntil;
  }

  /** The same storage, of whose reads at once it is learnt: what is made of the bytes, as unpacking, takes time of another kind. */
  watching(storage: ReadStorage): ReadStorage {
    return {
      list: (dir) => storage.list(dir),
      exists: (file) => storage.exists(file),
      size: (handle) => storage.size(handle),
      openRead: (file) => storage.openRead(file),
      close: (handle) => storage.close(handle),
      read: (handle, target, offset) => this.watch(() => storage.read(handle, target, offset)),
      readAsync: (handle, target, offset) => storage.readAsync(handle, target, offset),
    };
  }

  /** Read at once, and learn from it. */
  watch(read: () => number): number {
    const began = performance.now();
    const bytes = read();
    const now = performance.now();
    if (now - began <= SLOW_MS) {
      this.#sinceSlow++;
      this.#pauseMs = FIRST_PAUSE_MS;
      return bytes;
    }
    if (this.#sinceSlow < NEAR_READS) {
      this.#pausedUntil = now + this.#pauseMs;
      this.#pauseMs = Math.min(2 * this.#pauseMs, LONGEST_PAUSE_MS);
    }
    this.#sinceSlow = 0;
    return bytes;
  }
}
