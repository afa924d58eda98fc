/** The directories of a backup and a restore, as a user names them: which may go with which, and who has one to himself. */
import path from 'node:path';
import { makeDirDurable } from '../shared/directories.js';
import { invalid } from '../shared/options.js';
import { fromWire, isKeeperError, toWire } from '../shared/portable/errors.js';
import type { Storage } from '../shared/storage.js';
import type { Lock } from './lock.js';
import type { Runtime } from './runtime.js';

export function checkDir(name: string, dir: unknown): void {
  if (typeof dir !== 'string' || dir === '') throw invalid(name, 'must be the path of a directory');
}

/** @throws ERR_INVALID_OPTIONS where a path is that of a file, or leads through one */
export function refuseFile(storage: Storage, name: string, dir: string): void {
  try {
    // Below a file some versions of Node say that nothing is there, and others what is wrong.
    storage.list(nearest(storage, dir));
  } catch (error) {
    if (!isKeeperError(error, 'ERR_STORAGE') || error.errno !== 'ENOTDIR') throw error;
    throw invalid(name, `is a file, or leads through one: ${dir}`);
  }
}

/** Whether a directory is another one, or lies in it, links followed; it need not be there yet. */
export function isWithin(storage: Storage, dir: string, other: string): boolean {
  const relative = path.relative(realPathOf(storage, other), realPathOf(storage, dir));
  return relative === '' || (relative !== '..' && !relative.startsWith(`..${path.sep}`) && !path.isAbsolute(relative));
}

function realPathOf(storage: Storage, dir: string): string {
  const existing = nearest(storage, dir);
  return path.join(storage.realPath(existing), path.relative(existing, path.resolve(dir)));
}

/** What is there of a path: itself, or the nearest directory above it. */
function nearest(storage: Storage, dir: string): string {
  let existing = path.resolve(dir);
  while (!storage.exists(existing)) existing = path.dirname(existing);
  return existing;
}

/** Do something with a directory to oneself. It is made where it is missing. @throws ERR_LOCKED, ERR_STORAGE */
export async function withLock<T>(
  { storage, lock }: Pick<Runtime, 'storage' | 'lock'>,
  dir: string,
  use: () => Promise<T>,
): Promise<T> {
  if (!storage.exists(dir)) makeDirDurable(storage, dir);
  const held = lockFor(lock, dir);
  try {
    return await use();
  } finally {
    const left = held.release();
    if (left !== undefined) process.emitWarning(left);
  }
}

function lockFor(lock: Runtime['lock'], dir: string): Lock {
  try {
    return lock(dir);
  } catch (error) {
    if (!isKeeperError(error, 'ERR_LOCKED')) throw error;
    throw fromWire({
      ...toWire(error),
      hint: 'A backup or a restore writes there: wait until it has come to its end.',
    });
  }
}
