import type { FileHandle, Storage } from '../../shared/storage.js';

/** So much of a new file is synced at once: a large sync would hold up those of the log, many small ones the sealing. Unit: bytes. */
const SYNC_BYTES = 1024 * 1024;

/** Sync a file that has grown by a part of it where that is due; what is behind the last such place is so with the rest of the file. */
export function syncWhereDue(storage: Storage, handle: FileHandle, from: number, to: number, isLast = false): void {
  if (isLast || Math.floor(to / SYNC_BYTES) > Math.floor(from / SYNC_BYTES)) storage.sync(handle);
}
