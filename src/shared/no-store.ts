/** Directories that are no store and must not become one: a backup, and a restore that has not come to its end. */
import path from 'node:path';
import { BACKUP_FILE } from './format/backup-list.js';
import { LOCK_FILE, RESTORING_FILE, TEMPORARY } from './format/file-names.js';
import { KeeperError } from './portable/errors.js';
import type { ReadStorage } from './storage.js';

/** @throws ERR_INVALID_OPTIONS */
export function refuseNoStore(storage: ReadStorage, dir: string): void {
  if (storage.exists(path.join(dir, BACKUP_FILE))) {
    throw notThere(`${dir} is a backup, not a store`, 'Restore it into a directory of its own: keeperlog restore.');
  }
  if (storage.exists(path.join(dir, RESTORING_FILE))) {
    const what = `a restore into ${dir} has not come to its end`;
    throw notThere(what, 'Restore once more into this directory, or remove it.');
  }
}

/** @throws ERR_INVALID_OPTIONS where a directory holds anything, and is no backup */
export function refuseNoBackup(storage: ReadStorage, dir: string): void {
  if (storage.exists(path.join(dir, BACKUP_FILE))) return;
  const [other] = othersIn(storage, dir, BACKUP_FILE);
  if (other === undefined) return;
  const what = `${dir} is not empty, and is no backup: it holds ${other}`;
  throw notThere(what, 'Back up into a directory that is missing, empty, or a backup of this store.');
}

/** @throws ERR_INVALID_OPTIONS where a directory holds anything but what a restore has begun there */
export function refuseContent(storage: ReadStorage, dir: string): void {
  if (!storage.exists(dir) || storage.exists(path.join(dir, RESTORING_FILE))) return;
  const [other] = othersIn(storage, dir, RESTORING_FILE);
  if (other === undefined) return;
  throw notThere(`${dir} is not empty: it holds ${other}`, 'Restore into a directory that is missing or empty.');
}

/** What a directory holds beside a lock's file, and a first file that was begun. */
function othersIn(storage: ReadStorage, dir: string, first: string): string[] {
  return storage.list(dir).filter((name) => name !== LOCK_FILE && name !== first + TEMPORARY);
}

function notThere(what: string, hint: string): KeeperError {
  return new KeeperError('ERR_INVALID_OPTIONS', what, { path: 'dir', hint });
}
