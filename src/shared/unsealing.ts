/**
 * The storage through which the log is read: a segment that is sealed, and whose raw file has gone, is there as if it were
 * raw, under the raw one's name.
 */
import path from 'node:path';
import type { PlaceHasher } from './format/checksum.js';
import { sealedFile, sealedNumber, segmentFile, segmentNumber } from './format/file-names.js';
import { isKeeperError } from './portable/errors.js';
import { type Place, SealedSegment } from './sealed-segment.js';
import { type FileHandle, fileBytes, type ReadStorage } from './storage.js';

/** The name of the file that a segment is in: of the raw one, unless there is but a sealed one. */
export function fileOfSegment(storage: ReadStorage, dir: string, number: number): string {
  const [raw, sealed] = [path.join(dir, segmentFile(number)), path.join(dir, sealedFile(number))];
  return !storage.exists(raw) && storage.exists(sealed) ? sealed : raw;
}

/** Bytes of the file that a segment is in, be it sealed this moment. */
export function segmentFileBytes(storage: ReadStorage, dir: string, number: number): number {
  try {
    return fileBytes(storage, path.join(dir, segmentFile(number)));
  } catch (error) {
    if (!isMissing(error)) throw error;
    return fileBytes(storage, path.join(dir, sealedFile(number)));
  }
}

function isMissing(error: unknown): boolean {
  return isKeeperError(error, 'ERR_STORAGE') && error.errno === 'ENOENT';
}

export interface LogStorage extends ReadStorage {
  /**
   * Bytes of a sealed segment, verified, in memory that is theirs until the next read; undefined where they are not in one place, or
   * not sealed.
   */
  look(handle: FileHandle, offset: number, length: number): Place | undefined;
  /** Bytes of an open file as it is on the disk. */
  fileBytes(handle: FileHandle): number;
  /** Bytes that reads of a sealed segment have wanted of its file so far, counted where they begin; undefined for what is not sealed. */
  fileBytesRead(handle: FileHandle): number | undefined;
}

/** @param storeId and hasher are those of the store in the directories that are read */
export function unsealing(storage: ReadStorage, storeId: Uint8Array, hasher: PlaceHasher): LogStorage {
  /** Open sealed segments, by handles that no file system gives. */
  const open = new Map<FileHandle, SealedSegment>();
  let lastHandle = -1;
  const sealedFor = (file: string): { file: string; number: number } | undefined => {
    const number = segmentNumber(path.basename(file));
    if (number === undefined) return undefined;
    const sealed = path.join(path.dirname(file), sealedFile(number));
    return storage.exists(sealed) ? { file: sealed, number } : undefined;
  };
  return {
    list: (dir) => {
      const names = storage.list(dir);
      const asRaw = names.map((name) => {
        const number = sealedNumber(name);
        return number === undefined ? name : segmentFile(number);
      });
      return [...new Set(asRaw)];
    },
    exists: (file) => storage.exists(file) || sealedFor(file) !== undefined,
    openRead: (file) => {
      try {
        return storage.openRead(file);
      } catch (error) {
        const sealed = isMissing(error) ? sealedFor(file) : undefined;
        if (sealed === undefined) throw error;
        open.set(--lastHandle, SealedSegment.open(storage, { ...sealed, storeId, hasher }));
        return lastHandle;
      }
    },
    size: (handle) => open.get(handle)?.bytes ?? storage.size(handle),
    look: (handle, offset, length) => open.get(handle)?.look(offset, length),
    fileBytes: (handle) => open.get(handle)?.fileBytes ?? storage.size(handle),
    fileBytesRead: (handle) => open.get(handle)?.fileBytesRead,
    read: (handle, target, offset) => open.get(handle)?.read(target, offset) ?? storage.read(handle, target, offset),
    readAsync: (handle, target, offset) =>
      open.get(handle)?.readAsync(target, offset) ?? storage.readAsync(handle, target, offset),
    close: (handle) => {
      const sealed = open.get(handle);
      if (sealed === undefined) return storage.close(handle);
      open.delete(handle);
      sealed.close();
    },
  };
}
