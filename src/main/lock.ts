/**
 * One writer a directory. The kernel's lock on an open file (flock, by fs-native-extensions) ends with its holder; the
 * file's content only tells people who that is. Where that module is missing, a lock file with the holder's pid and start
 * time serves: it is taken over only from a process that is certainly gone.
 */
import { randomUUID } from 'node:crypto';
import fs from 'node:fs';
import { createRequire } from 'node:module';
import os from 'node:os';
import path from 'node:path';
import { threadId } from 'node:worker_threads';
import { LOCK_FILE } from '../shared/format/file-names.js';
import { KeeperError } from '../shared/portable/errors.js';
import { storageError } from '../shared/storage.js';

export interface Lock {
  /**
   * Let others have it. Returns what kept the file from being emptied, which still names this holder then.
   * @throws ERR_STORAGE where the file itself is the lock and could not be removed
   */
  release(): KeeperError | undefined;
}

/** Who holds a lock. */
export interface Holder {
  readonly pid: number;
  readonly host: string;
  readonly since: string;
  readonly thread: number;
  /** When the process started, and in which boot and pid namespace its pid means something. Empty where unknown. */
  readonly started: string;
  readonly boot: string;
  readonly namespace: string;
}

interface NativeLock {
  tryLock(fd: number): boolean;
  unlock(fd: number): void;
}

/**
 * @param native null: as if that module were missing
 * @throws ERR_LOCKED, ERR_STORAGE
 */
export function lockDirectory(dir: string, native: NativeLock | null = loadNative()): Lock {
  const file = path.join(dir, LOCK_FILE);
  try {
    return native === null ? lockByFile(file) : lockByKernel(file, native);
  } catch (error) {
    throw error instanceof KeeperError ? error : storageError(error, 'lock', file);
  }
}

/** What a lock looks like from outside. `'unknown'`: its holder, if there still is one, cannot be seen from here. */
export interface LockView {
  readonly state: 'free' | 'held' | 'left' | 'unknown';
  readonly holder: Holder | undefined;
}

/** Look at a directory's lock without touching it: a writer that is just opening is not in the way. */
export function lookAtLock(dir: string): LockView {
  const file = path.join(dir, LOCK_FILE);
  const holder = readHolder(file);
  if (holder === undefined) {
    const size = fs.statSync(file, { throwIfNoEntry: false })?.size ?? 0;
    return { state: size === 0 ? 'free' : 'unknown', holder };
  }
  if (!isOfHere(holder)) return { state: 'unknown', holder };
  return { state: isGone(holder) ? 'left' : 'held', holder };
}

/** Whether locks are the kernel's. */
export function hasKernelLock(): boolean {
  return loadNative() !== null;
}

function loadNative(): NativeLock | null {
  try {
    return createRequire(import.meta.url)('fs-native-extensions') as NativeLock;
  } catch {
    return null; // an optional dependency: without it the lock file has to do
  }
}

function lockByKernel(file: string, native: NativeLock): Lock {
  const fd = fs.openSync(file, fs.constants.O_RDWR | fs.constants.O_CREAT, 0o644);
  if (!native.tryLock(fd)) {
    fs.closeSync(fd);
    throw locked(file, readHolder(file));
  }
  try {
    fs.ftruncateSync(fd);
    fs.writeSync(fd, JSON.stringify(thisHolder()), 0);
  } catch (error) {
    fs.closeSync(fd); // and with it the lock
    throw error;
  }
  return {
    release() {
      let left: KeeperError | undefined;
      try {
        fs.ftruncateSync(fd);
      } catch (error) {
        // What the file says is for people. The lock itself is the kernel's, and goes in any case.
        left = storageError(error, 'ftruncate', file);
      }
      native.unlock(fd);
      fs.closeSync(fd);
      return left;
    },
  };
}

function lockByFile(file: string): Lock {
  // Written under another name and linked: nobody ever sees the file without its holder in it.
  const own = `${file}.${randomUUID()}`;
  fs.writeFileSync(own, JSON.stringify(thisHolder()), { flag: 'wx' });
  try {
    return linkAsLock(own, file);
  } finally {
    fs.unlinkSync(own);
  }
}

function linkAsLock(own: string, file: string): Lock {
  for (let attempt = 0; ; attempt++) {
    try {
      fs.linkSync(own, file);
      return { release: () => removeLock(file) };
    } catch (error) {
      if (Reflect.get(error as object, 'code') !== 'EEXIST') throw error;
    }
    const holder = readHolder(file);
    // An empty file is what a kernel lock leaves behind.
    const gone = holder === undefined ? fs.statSync(file).size === 0 : isGone(holder);
    if (!gone || attempt > 0) throw locked(file, holder);
    // Moved away first: of two that find the same dead holder, only one moves its file.
    const aside = `${file}.${randomUUID()}`;
    fs.renameSync(file, aside);
    const moved = readHolder(aside);
    if (JSON.stringify(moved) !== JSON.stringify(holder)) {
      fs.renameSync(aside, file);
      throw locked(file, moved);
    }
    fs.unlinkSync(aside);
  }
}

function removeLock(file: string): undefined {
  try {
    fs.unlinkSync(file);
  } catch (error) {
    throw storageError(error, 'unlink', file);
  }
}

/** Whether a holder's pid says something here: one of another host, boot or pid namespace does not. */
function isOfHere(holder: Holder): boolean {
  const here = thisHolder();
  return holder.host === here.host && holder.boot === here.boot && holder.namespace === here.namespace;
}

/** Whether a holder's process has certainly ended. */
function isGone(holder: Holder): boolean {
  if (!isOfHere(holder)) return false;
  if (holder.boot === '' && holder.started === '') return false;
  try {
    process.kill(holder.pid, 0);
  } catch (error) {
    return Reflect.get(error as object, 'code') === 'ESRCH';
  }
  return holder.started !== '' && startOf(holder.pid) !== holder.started;
}

function thisHolder(): Holder {
  return {
    pid: process.pid,
    host: os.hostname(),
    since: new Date().toISOString(),
    thread: threadId,
    started: startOf(process.pid),
    boot: readIfThere('/proc/sys/kernel/random/boot_id').trim(),
    namespace: linkIfThere('/proc/self/ns/pid'),
  };
}

/** The start time of a process in clock ticks since boot: field 22 of proc_pid_stat(5). */
function startOf(pid: number): string {
  const stat = readIfThere(`/proc/${pid}/stat`);
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '';
}

function readHolder(file: string): Holder | undefined {
  try {
    return JSON.parse(fs.readFileSync(file, 'utf8')) as Holder;
  } catch {
    return undefined; // being written, or not ours: there is nothing to tell of the holder then
  }
}

function readIfThere(file: string): string {
  return fs.existsSync(file) ? fs.readFileSync(file, 'utf8') : '';
}

function linkIfThere(file: string): string {
  return fs.existsSync(file) ? fs.readlinkSync(file) : '';
}

function locked(file: string, holder: Holder | undefined): KeeperError {
  const who =
    holder === undefined ? 'another process' : `process ${holder.pid} on ${holder.host} since ${holder.since}`;
  return new KeeperError('ERR_LOCKED', `${path.dirname(file)} is open in ${who}`, {
    pid: holder?.pid ?? 0,
    host: holder?.host ?? '',
    since: holder?.since ?? '',
    hint:
      'A store has one writer: close the other one first. Is it this program after a hot reload, or another worker thread ' +
      'of it? Open the store once and share it. To only read, open with readOnly: true.',
  });
}
