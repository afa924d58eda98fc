/** Directories whose names survive a power cut. */
import path from 'node:path';
import { isKeeperError } from './portable/errors.js';
import type { Storage } from './storage.js';

/** Have a directory whose name is durable, and with it the name of every directory above it that is made here. */
export function makeDirDurable(storage: Storage, dir: string): void {
  const missing: string[] = [];
  let existing = path.resolve(dir);
  for (; !storage.exists(existing); existing = path.dirname(existing)) missing.unshift(existing);
  syncNameOf(storage, existing);
  for (const next of missing) {
    storage.makeDir(next);
    storage.syncDir(path.dirname(next));
  }
}

/** A process that died may have made a directory and not have come to sync its name. */
function syncNameOf(storage: Storage, dir: string): void {
  try {
    storage.syncDir(path.dirname(dir));
  } catch (error) {
    // Whoever may not read the directory above did not make this one either.
    if (!isKeeperError(error, 'ERR_STORAGE') || error.errno !== 'EACCES') throw error;
  }
}
