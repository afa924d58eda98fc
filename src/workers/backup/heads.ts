/** The checkpoint of heads and keys: a backup has it so that a large store, restored, need not read its whole log to open. */
import path from 'node:path';
import type { BackupContent } from '../../shared/format/backup-list.js';
import { CHECKPOINT_BLOCK_BYTES, checkpointBytes, decodeCheckpointHeader } from '../../shared/format/checkpoint.js';
import { HEADS_FILE } from '../../shared/format/file-names.js';
import { isKeeperError } from '../../shared/portable/errors.js';
import type { FileHandle, Storage } from '../../shared/storage.js';
import { bytesOf, type CopyContext, copyInto, putInPlace } from './copying.js';
import type { LogPlace } from './log-walk.js';
import type { BackupTarget } from './target.js';

/** A store removes one that does not verify, at any moment. */
function openIfThere(storage: Storage, file: string): FileHandle | undefined {
  try {
    return storage.openRead(file);
  } catch (error) {
    if (isKeeperError(error, 'ERR_STORAGE') && error.errno === 'ENOENT') return undefined;
    throw error;
  }
}

/**
 * Copy the one in force. Where there is none, or it speaks of what is not in the backup, the one of the last backup stays.
 * @param upTo the last sequence of the backup
 */
export async function backUpHeads(
  place: LogPlace & CopyContext,
  dir: string,
  target: BackupTarget,
  upTo: number,
): Promise<BackupContent['heads']> {
  const { storage, hasher } = place;
  const known = target.content?.heads ?? null;
  const last = known !== null && target.holds(HEADS_FILE, known) ? known : null;
  const handle = openIfThere(storage, path.join(dir, HEADS_FILE));
  if (handle === undefined) return last;
  try {
    const block = Buffer.alloc(CHECKPOINT_BLOCK_BYTES);
    const header = decodeCheckpointHeader(block.subarray(0, storage.read(handle, block, 0)), hasher);
    if (header === undefined || header.sequence > upTo) return last;
    const { sequence } = header;
    const bytes = checkpointBytes(header);
    if (last?.sequence === sequence && last.bytes === bytes) return last;
    if (bytes > storage.size(handle)) return last;
    const to = target.path(HEADS_FILE);
    const copied = await copyInto({ ...place, onBytes() {} }, bytesOf(storage, handle), bytes, to);
    putInPlace(storage, to);
    return { ...copied, sequence, backup: target.number };
  } finally {
    storage.close(handle);
  }
}
