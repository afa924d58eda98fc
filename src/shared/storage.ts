/**
 * The only door to the file system, and the seam at which faults are injected. Synchronous calls are for the threads
 * that may block; the caller's thread reads asynchronously.
 *
 * Every failure is a StorageError that names the call and the errno. Nothing is retried but what a signal has interrupted
 * (EINTR): Node does that for all calls but reads.
 */
import fs from 'node:fs';
import path from 'node:path';
import { storageError } from './storage-error.js';

export { errnoNumber, isFailedSync, isOutOfSpace, storageError } from './storage-error.js';

/** An open file. */
export type FileHandle = number;

export type OpenMode = 'existing' | 'create' | 'ensure' | 'secret';

/** What those ask of a file system who only read. Offsets and lengths are in bytes. */
export interface ReadStorage {
  list(dir: string): string[];
  exists(file: string): boolean;
  /** Bytes of a file. */
  size(handle: FileHandle): number;
  /** Open for reading. */
  openRead(file: string): FileHandle;
  close(handle: FileHandle): void;
  /** Read up to the target's length; returns what there was. */
  read(handle: FileHandle, target: Uint8Array, offset: number): number;
  readAsync(handle: FileHandle, target: Uint8Array, offset: number): Promise<number>;
}

/** What the engine asks of a file system. */
export interface Storage extends ReadStorage {
  /** Make a directory in one that is there, unless somebody has made it already. */
  makeDir(dir: string): void;
  /** Bytes that may still be written to the file system of a directory. */
  freeBytes(dir: string): number;
  /**
   * Open for reading and writing; `'create'` makes it or empties it, `'ensure'` makes it or leaves it as it is, `'secret'` makes
   * it, for nobody else to read (mode 0600), and fails where it is there already.
   */
  openWrite(file: string, mode: OpenMode): FileHandle;
  /** Write some of the parts, one after the other; returns how many bytes were taken. */
  write(handle: FileHandle, parts: readonly Uint8Array[], offset: number): number;
  truncate(handle: FileHandle, length: number): void;
  /** Make the data of a file durable (fdatasync). */
  sync(handle: FileHandle): void;
  /** Make the names in a directory durable. */
  syncDir(dir: string): void;
  rename(from: string, to: string): void;
  remove(file: string): void;
  /** Remove a directory with nothing in it. */
  removeDir(dir: string): void;
  /** The path of something that is there, absolute and without links. */
  realPath(file: string): string;
  /** Who may do what with a file: the nine bits of its mode. */
  permissions(file: string): number;
  /** Which file this is: another one that has taken its name since is told from it. */
  identity(handle: FileHandle): string;
}

function guard<T>(syscall: string, call: () => T, file?: string): T {
  try {
    return call();
  } catch (error) {
    throw storageError(error, syscall, file);
  }
}

const { O_RDWR, O_CREAT, O_EXCL, O_TRUNC } = fs.constants;
const OPEN_FLAGS: Readonly<Record<OpenMode, number>> = {
  existing: O_RDWR,
  create: O_RDWR | O_CREAT | O_TRUNC,
  ensure: O_RDWR | O_CREAT,
  secret: O_RDWR | O_CREAT | O_EXCL,
};

/** The permissions of a new file, before the process's mask. */
function permissions(mode: OpenMode): number {
  return mode === 'secret' ? 0o600 : 0o666;
}

/** Not with `recursive`: where a directory is there and has no room for another, as /proc, Node would try for ever. */
function makeOneDir(dir: string): void {
  try {
    fs.mkdirSync(dir);
  } catch (error) {
    const isThere = Reflect.get(error as object, 'code') === 'EEXIST' && fs.statSync(dir).isDirectory();
    if (!isThere) throw error;
  }
}

/** The file system of this machine. */
export const nodeStorage: Storage = {
  makeDir: (dir) => guard('mkdir', () => makeOneDir(dir), dir),
  list: (dir) => guard('readdir', () => fs.readdirSync(dir), dir),
  // Not existsSync: to that, a file whose disk fails is none.
  exists: (file) => guard('stat', () => fs.statSync(file, { throwIfNoEntry: false }) !== undefined, file),
  size: (handle) => guard('fstat', () => fs.fstatSync(handle).size),
  identity: (handle) =>
    guard('fstat', () => {
      const { dev, ino, mtimeNs } = fs.fstatSync(handle, { bigint: true });
      return `${dev} ${ino} ${mtimeNs}`; // a number that was freed is given again
    }),
  freeBytes: (dir) =>
    guard('statfs', () => {
      const { bavail, bsize } = fs.statfsSync(dir);
      return bavail * bsize;
    }),
  openRead: (file) => guard('open', () => fs.openSync(file, 'r'), file),
  openWrite: (file, mode) => guard('open', () => fs.openSync(file, OPEN_FLAGS[mode], permissions(mode)), file),
  close: (handle) => guard('close', () => fs.closeSync(handle)),
  read: (handle, target, offset) => guard('read', () => readFully(handle, target, offset)),
  readAsync: async (handle, target, offset) => {
    let done = 0;
    while (done < target.length) {
      const part = await new Promise<number>((resolve, reject) => {
        fs.read(handle, target, done, target.length - done, offset + done, (error, bytes) => {
          if (error === null) resolve(bytes);
          else if (error.code === 'EINTR') resolve(INTERRUPTED);
          else reject(storageError(error, 'read'));
        });
      });
      if (part === INTERRUPTED) continue;
      if (part === 0) break;
      done += part;
    }
    return done;
  },
  write: (handle, parts, offset) =>
    guard('write', () => {
      const only = parts[0];
      if (parts.length === 1 && only !== undefined) return fs.writeSync(handle, only, 0, only.length, offset);
      return fs.writevSync(handle, parts as Uint8Array[], offset);
    }),
  truncate: (handle, length) => guard('ftruncate', () => fs.ftruncateSync(handle, length)),
  sync: (handle) => guard('fdatasync', () => fs.fdatasyncSync(handle)),
  syncDir: (dir) => {
    const handle = guard('open', () => fs.openSync(dir, 'r'), dir);
    try {
      guard('fsync', () => fs.fsyncSync(handle), dir);
    } finally {
      guard('close', () => fs.closeSync(handle), dir);
    }
  },
  rename: (from, to) => guard('rename', () => fs.renameSync(from, to), to),
  remove: (file) => guard('unlink', () => fs.unlinkSync(file), file),
  removeDir: (dir) => guard('rmdir', () => fs.rmdirSync(dir), dir),
  realPath: (file) => guard('realpath', () => fs.realpathSync(file), file),
  permissions: (file) => guard('stat', () => fs.statSync(file).mode & 0o777, file),
};

/** No number of bytes: a signal came before any of them. */
const INTERRUPTED = -1;

function readOnce(handle: number, target: Uint8Array, from: number, offset: number): number {
  try {
    return fs.readSync(handle, target, from, target.length - from, offset);
  } catch (error) {
    if (error instanceof Error && Reflect.get(error, 'code') === 'EINTR') return INTERRUPTED;
    throw error;
  }
}

function readFully(handle: number, target: Uint8Array, offset: number): number {
  let done = 0;
  while (done < target.length) {
    const part = readOnce(handle, target, done, offset + done);
    if (part === INTERRUPTED) continue;
    if (part === 0) break;
    done += part;
  }
  return done;
}

/** Write all parts, going on after short writes. A write that takes nothing counts as a full disk. */
export function writeFully(storage: Storage, handle: FileHandle, parts: readonly Uint8Array[], offset: number): void {
  let rest = parts;
  let at = offset;
  while (rest.length > 0) {
    const taken = storage.write(handle, rest, at);
    if (taken === 0) throw storageError(Object.assign(new Error('nothing was written'), { code: 'ENOSPC' }), 'write');
    at += taken;
    rest = withoutFirst(rest, taken);
  }
}

/** What is left of the parts after their first bytes. */
function withoutFirst(parts: readonly Uint8Array[], bytes: number): Uint8Array[] {
  let skip = bytes;
  const rest: Uint8Array[] = [];
  for (const part of parts) {
    if (skip >= part.length) skip -= part.length;
    else {
      rest.push(skip === 0 ? part : part.subarray(skip));
      skip = 0;
    }
  }
  return rest;
}

/** Replace a file by new content: temporary file, sync, rename, sync of the directory. */
export function replaceFile(storage: Storage, dir: string, file: string, content: readonly Uint8Array[]): void {
  replaceContent(storage, path.join(dir, file), path.join(dir, `${file}.tmp`), content);
  storage.syncDir(dir);
}

/** The same without the last step: the content is durable, and its name is not until the directory is synced. */
export function replaceContent(
  storage: Storage,
  file: string,
  temporary: string,
  content: readonly Uint8Array[],
  mode: 'create' | 'secret' = 'create',
): void {
  const handle = storage.openWrite(temporary, mode);
  try {
    writeFully(storage, handle, content, 0);
    storage.sync(handle);
  } finally {
    storage.close(handle);
  }
  storage.rename(temporary, file);
}

/** How many bytes a file has. */
export function fileBytes(storage: ReadStorage, file: string): number {
  const handle = storage.openRead(file);
  try {
    return storage.size(handle);
  } finally {
    storage.close(handle);
  }
}

/** The first bytes of a file, so many at most. */
export function readFile(storage: ReadStorage, file: string, maxBytes: number): Buffer {
  return readRange(storage, file, 0, maxBytes);
}

/** A part of a file; less where the file ends before. It is read into the memory where that is large enough. */
export function readRange(storage: ReadStorage, file: string, offset: number, length: number, memory?: Buffer): Buffer {
  const handle = storage.openRead(file);
  try {
    const wanted = Math.max(0, Math.min(length, storage.size(handle) - offset));
    const bytes = memory !== undefined && memory.length >= wanted ? memory.subarray(0, wanted) : Buffer.alloc(wanted);
    return bytes.subarray(0, storage.read(handle, bytes, offset));
  } finally {
    storage.close(handle);
  }
}
