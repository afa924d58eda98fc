/** What a call to the file system that has failed is raised as, and what to do then. */
import os from 'node:os';
import { fromWire, isKeeperError, KeeperError, toWire } from './portable/errors.js';

/** What to do, as far as the call and its errno tell. */
const HINTS = {
  space: 'Free space on the disk, or raise the quota or the limit of a file, and try again.',
  place: 'Look at the path, at who may read and write there, and at its mount.',
  read: 'Nothing was changed by it. Look at the disk and its mount: what is there could not be read.',
  write: 'Check the disk and its mount, close the store and open it again: recovery decides what is durable.',
} as const;

const GENERAL_HINTS: ReadonlySet<string> = new Set(Object.values(HINTS));

/** Calls after which something on the disk may be other than it was. */
const WRITES: ReadonlySet<string> = new Set(['write', 'ftruncate', 'fdatasync', 'fsync', 'rename', 'unlink', 'rmdir']);

/** What is said of a place, not of a disk. */
const OF_PLACES: ReadonlySet<string> = new Set([
  'ENOENT',
  'ENOTDIR',
  'EACCES',
  'EPERM',
  'EROFS',
  'ENAMETOOLONG',
  'ELOOP',
]);

function hintFor(errno: string, syscall: string): string {
  if (SYNCS.has(syscall)) return HINTS.write;
  if (OUT_OF_SPACE.has(errno)) return HINTS.space;
  if (OF_PLACES.has(errno)) return HINTS.place;
  return WRITES.has(syscall) ? HINTS.write : HINTS.read;
}

/** The same error, with what to do where more is known than the call; what was said already stays. A failed sync stays one. */
export function hinted(error: unknown, hint: string): unknown {
  if (!isKeeperError(error, 'ERR_STORAGE') || !GENERAL_HINTS.has(error.hint)) return error;
  const told = fromWire({ ...toWire(error), hint });
  if (error.cause !== undefined) told.cause = error.cause;
  return told;
}

/** Raise a system call's failure as ERR_STORAGE with errno and call. */
export function storageError(error: unknown, syscall: string, file?: string): KeeperError {
  const name = errnoName(error);
  const where = file === undefined ? '' : ` of ${file}`;
  return new KeeperError('ERR_STORAGE', `${syscall}${where} failed with ${name}`, {
    errno: name,
    syscall,
    cause: error,
    hint: hintFor(name, syscall),
  });
}

/** A full disk, and a file that may not grow: space may come back. */
const OUT_OF_SPACE: ReadonlySet<unknown> = new Set(['ENOSPC', 'EDQUOT', 'EFBIG']);

/** A sync that fails is final whatever it says: what it was about may be lost, and a second one would not tell. */
const SYNCS: ReadonlySet<unknown> = new Set(['fdatasync', 'fsync']);

export function isFailedSync(error: unknown): error is KeeperError {
  return error instanceof KeeperError && SYNCS.has(Reflect.get(error, 'syscall'));
}

export function isOutOfSpace(error: unknown): boolean {
  if (!(error instanceof KeeperError) || isFailedSync(error)) return false;
  return OUT_OF_SPACE.has(Reflect.get(error, 'errno'));
}

/** The name of an errno. Node does not name them all: of EDQUOT it tells the number alone. */
function errnoName(error: unknown): string {
  const code = error instanceof Error ? Reflect.get(error, 'code') : undefined;
  if (typeof code === 'string' && /^E[A-Z0-9]+$/.test(code)) return code;
  const number = error instanceof Error ? Reflect.get(error, 'errno') : undefined;
  const found = Object.entries(os.constants.errno).find(([, value]) => value === -Number(number));
  return found?.[0] ?? 'EUNKNOWN';
}

/** The number of an errno's name, above 0. */
export function errnoNumber(name: string): number {
  const numbers: Readonly<Record<string, number>> = os.constants.errno;
  return numbers[name] ?? os.constants.errno.EIO;
}
