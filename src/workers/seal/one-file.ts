/** An open segment as the one file of a storage, for whoever follows frames. */
import type { ReadStorage } from '../../shared/storage.js';

/** Read as a raw one. */
interface OpenBytes {
  readonly bytes: number;
  read(target: Uint8Array, offset: number): number;
}

export function asStorage(open: OpenBytes): ReadStorage {
  return {
    list: () => [],
    exists: () => true,
    openRead: () => 0,
    close() {},
    size: () => open.bytes,
    read: (_, target, offset) => open.read(target, offset),
    readAsync: async (_, target, offset) => open.read(target, offset),
  };
}
