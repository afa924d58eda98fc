/**
 * Makes the next segment's file ahead, so that a rotation waits for no directory. The writer, which makes the file itself
 * where it is not there in time, may take it at any moment: nothing but the name is touched here.
 */
import path from 'node:path';
import { segmentFile } from '../../shared/format/file-names.js';
import { isKeeperError } from '../../shared/portable/errors.js';
import { type SharedState, WORD } from '../../shared/ring/layout.js';
import { errnoNumber, type Storage } from '../../shared/storage.js';

/**
 * @param begun the segment in use, which has a durable frame: there are never two segments without a header
 * @throws ERR_STORAGE; the log does not need what is missing then
 */
export function makeNextSegment(storage: Storage, dir: string, state: SharedState, begun: number): void {
  const next = begun + 1;
  if (Atomics.load(state.words, WORD.segment) >= next) return; // told too late
  storage.close(storage.openWrite(path.join(dir, segmentFile(next)), 'ensure'));
  try {
    storage.syncDir(dir);
  } catch (error) {
    // Whoever syncs the name again may be told that all is well. So nobody does: the log does not go on in this file.
    if (isKeeperError(error, 'ERR_STORAGE') && error.syscall === 'fsync') {
      Atomics.store(state.words, WORD.prepared, -errnoNumber(error.errno));
    }
    throw error;
  }
  Atomics.store(state.words, WORD.prepared, next);
}
