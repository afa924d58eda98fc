/**
 * Writes a checkpoint: the heads of the table in force merged with those that have changed, and all keys, into a file
 * beside it. It comes into force by a rename, when the caller says that everything in it is durable.
 */
import path from 'node:path';
import { corrupt } from '../../shared/damage.js';
import { decodeBaseHeader } from '../../shared/format/base.js';
import {
  CHECKPOINT_BLOCK_BYTES,
  checkpointBytes,
  decodeCheckpointHeader,
  encodeCheckpointHeader,
} from '../../shared/format/checkpoint.js';
import type { PlaceHasher } from '../../shared/format/checksum.js';
import { HEADS_FILE, TEMPORARY } from '../../shared/format/file-names.js';
import type { CheckpointSnapshot } from '../../shared/messages.js';
import { type Storage, writeFully } from '../../shared/storage.js';
import { headsIn, inOrder, NO_HEADS, type OldHeads, writeTable } from './table-writer.js';
import type { Workspace } from './workspace.js';

/** Write the file of a snapshot and make its content durable. It is not in force yet. */
export function writeCheckpoint(
  storage: Storage,
  dir: string,
  workspace: Workspace,
  snapshot: CheckpointSnapshot,
): void {
  const { hasher } = workspace;
  const { sequence, base, from = HEADS_FILE, heads } = snapshot;
  const before = openOldHeads(storage, path.join(dir, from), base, hasher);
  const handle = storage.openWrite(path.join(dir, HEADS_FILE + TEMPORARY), 'create');
  try {
    const keys = inOrder(snapshot.keys);
    const sections = writeTable(storage, handle, workspace, { sequence, before, heads, keys });
    writeFully(storage, handle, [encodeCheckpointHeader(sections, snapshot.storeId, hasher)], 0);
    storage.sync(handle);
  } finally {
    storage.close(handle);
    before.close();
  }
}

/** Put the checkpoint that was written last in force. */
export function commitCheckpoint(storage: Storage, dir: string): void {
  storage.rename(path.join(dir, HEADS_FILE + TEMPORARY), path.join(dir, HEADS_FILE));
  storage.syncDir(dir);
}

/**
 * The heads of a checkpoint or a base that is in force, in order; none where there is none (sequence 0).
 * @throws ERR_CORRUPT where it is not there or does not verify: the heads of a checkpoint are then known from the log alone,
 *   and the file is removed, so that the next opening makes it anew; a base is left as it is
 */
export function openOldHeads(storage: Storage, file: string, sequence: number, hasher: PlaceHasher): OldHeads {
  if (sequence === 0) return NO_HEADS;
  const isCheckpoint = path.basename(file) === HEADS_FILE;
  const unusable = (offset: number, message: string): Error => {
    if (isCheckpoint && storage.exists(file)) storage.remove(file);
    return corrupt(file, offset, message);
  };
  if (!storage.exists(file)) throw unusable(0, 'the table in force is missing');
  const handle = storage.openRead(file);
  const block = Buffer.alloc(CHECKPOINT_BLOCK_BYTES);
  storage.read(handle, block, 0);
  const header = (isCheckpoint ? decodeCheckpointHeader : decodeBaseHeader)(block, hasher);
  if (header?.sequence !== sequence || checkpointBytes(header) > storage.size(handle)) {
    storage.close(handle);
    throw unusable(0, 'this is not the table in force');
  }
  return headsIn(storage, handle, header, hasher, unusable);
}
