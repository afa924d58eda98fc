/** Restoring a backup. */
import path from 'node:path';
import type { RestoreOptions, RestoreReport } from '../shared/backup-report.js';
import { BACKUP_FILE } from '../shared/format/backup-list.js';
import { refuseContent } from '../shared/no-store.js';
import { checkWorkOptions, invalid } from '../shared/options.js';
import { aborted, isKeeperError, KeeperError } from '../shared/portable/errors.js';
import { hinted } from '../shared/storage-error.js';
import { checkDir, isWithin, refuseFile, withLock } from './copy-dirs.js';
import { type Runtime, threadRuntime } from './runtime.js';

const DIR_HINT =
  'Nothing was restored, and the backup is as it was. Look at both paths, at who may read and write there, and at their disks.';

/**
 * Make the store of a backup again, in a directory that is missing or empty. Every file is verified while it is copied, and so is the
 * log that they make up: what is there then has every event of the backup, with its id, and the audit tree with what was signed. The
 * key that signs is in no backup: a new one is made at the next checkpoint.
 *
 * Until the last step the directory is refused as a store. A restore that was interrupted is to be repeated.
 * @param backupDir what {@link Store.backup} has written
 * @param dir of the store that is made
 * @throws ERR_NOT_FOUND where there is no backup; ERR_INVALID_OPTIONS, also where the directory is not empty, or lies in the backup;
 *   ERR_CORRUPT where the backup does not verify; ERR_LOCKED; ERR_STORAGE; ERR_UNSUPPORTED_FORMAT; ERR_ABORTED. Nothing is restored then
 */
export function restoreStore(backupDir: string, dir: string, options: RestoreOptions = {}): Promise<RestoreReport> {
  return restoreStoreOn(backupDir, dir, options, threadRuntime);
}

/** The same over another runtime: the seam for tests of crashes. */
export async function restoreStoreOn(
  from: string,
  dir: string,
  options: RestoreOptions,
  runtime: Runtime,
): Promise<RestoreReport> {
  checkDir('backupDir', from);
  checkDir('dir', dir);
  checkWorkOptions(options);
  if (options.signal?.aborted === true) throw aborted(options.signal, 'the restore');
  try {
    return await restore(from, dir, options, runtime);
  } catch (error) {
    // What has failed while it was copied has said so: this is about the directories.
    throw hinted(error, DIR_HINT);
  }
}

async function restore(
  from: string,
  dir: string,
  { signal, onProgress }: RestoreOptions,
  runtime: Runtime,
): Promise<RestoreReport> {
  const { storage } = runtime;
  refuseFile(storage, 'backupDir', from);
  refuseFile(storage, 'dir', dir);
  if (!storage.exists(path.join(from, BACKUP_FILE))) {
    const hint = 'A backup is made by `keeperlog backup`, or store.backup().';
    throw new KeeperError('ERR_NOT_FOUND', `there is no backup in ${from}`, { hint });
  }
  if (isWithin(storage, dir, from)) throw invalid('dir', `is the directory of the backup, or lies in it: ${dir}`);
  // Before the lock, which would leave its file in what is none of ours.
  refuseContent(storage, dir);
  const control = { signal: signal ?? new AbortController().signal, onProgress: onProgress ?? (() => {}) };
  try {
    return await withLock(runtime, dir, () => runtime.copy({ kind: 'restore', from, dir }, control));
  } catch (error) {
    throw signal !== undefined && isKeeperError(error, 'ERR_ABORTED') ? aborted(signal, 'the restore') : error;
  }
}
