/** Copying the bytes of one file into another that is not there yet. */
import { createHash, type Hash } from 'node:crypto';
import { TEMPORARY } from '../../shared/format/file-names.js';
import { KeeperError } from '../../shared/portable/errors.js';
import { type FileHandle, type Storage, writeFully } from '../../shared/storage.js';

/** Copied between two pauses. Unit: bytes. */
const SLICE_BYTES = 1024 * 1024;
/** Synced at once: a large sync would hold up those of the log, where that is on the same disk. Unit: bytes. */
const SYNC_BYTES = 4 * SLICE_BYTES;

/** What is copied. */
export interface ByteSource {
  /** Read up to the target's length; returns what there was. */
  read(target: Uint8Array, offset: number): number;
}

export interface Copied {
  /** Fewer than were asked for where there were no more. */
  readonly bytes: number;
  readonly sha256: string;
}

export interface CopyContext {
  readonly storage: Storage;
  readonly pause: () => void | Promise<void>;
  /** Told of bytes as they are copied. */
  readonly onBytes: (bytes: number) => void;
}

/**
 * Copy the first bytes of something into a temporary file, which is durable and read back then. {@link putInPlace} gives it its name.
 * @param to the name that it will have
 * @throws ERR_STORAGE, also where it does not read back as it was written
 */
export async function copyInto(
  { storage, pause, onBytes }: CopyContext,
  source: ByteSource,
  length: number,
  to: string,
): Promise<Copied> {
  const file = to + TEMPORARY;
  const hash = createHash('sha256');
  const handle = storage.openWrite(file, 'create');
  let bytes = 0;
  try {
    const slice = Buffer.allocUnsafe(Math.min(SLICE_BYTES, length));
    for (let [unsynced, isEnd] = [0, false]; !isEnd; ) {
      await pause();
      const wanted = slice.subarray(0, Math.min(SLICE_BYTES, length - bytes));
      const part = wanted.subarray(0, source.read(wanted, bytes));
      hash.update(part);
      if (part.length > 0) writeFully(storage, handle, [part], bytes);
      bytes += part.length;
      unsynced += part.length;
      onBytes(part.length);
      isEnd = bytes === length || part.length < wanted.length;
      if (!isEnd && unsynced < SYNC_BYTES) continue;
      storage.sync(handle);
      unsynced = 0;
    }
  } finally {
    storage.close(handle);
  }
  const sha256 = hash.digest('hex');
  if ((await hashOf(storage, file, pause)) === sha256) return { bytes, sha256 };
  throw new KeeperError('ERR_STORAGE', `what was written to ${file} does not read back as it was written`, {
    errno: 'EIO',
    syscall: 'read',
    hint: 'Nothing was replaced. Look at the disk that was written to.',
  });
}

/** Give a file that was copied its name, which is durable once the directory is synced. */
export function putInPlace(storage: Storage, to: string): void {
  storage.rename(to + TEMPORARY, to);
}

/** The same for a file that is open. */
export function bytesOf(storage: Storage, handle: FileHandle): ByteSource {
  return { read: (target, offset) => storage.read(handle, target, offset) };
}

async function hashOf(storage: Storage, file: string, pause: CopyContext['pause']): Promise<string> {
  const hash: Hash = createHash('sha256');
  const handle = storage.openRead(file);
  try {
    const slice = Buffer.allocUnsafe(SLICE_BYTES);
    for (let at = 0; ; ) {
      await pause();
      const length = storage.read(handle, slice, at);
      hash.update(slice.subarray(0, length));
      at += length;
      if (length < slice.length) return hash.digest('hex');
    }
  } finally {
    storage.close(handle);
  }
}
