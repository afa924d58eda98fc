/**
 * Writes a checkpoint: the heads of the table in force merged with those that have changed, and all keys, into a file
 * beside it. It comes into force by a rename, when the caller says that everything in it is durable.
 */
import path from 'node:path';
import { inOrder } from '../../shared/entries.js';
import { encodeCheckpointHeader } from '../../shared/format/checkpoint.js';
import { HEADS_FILE, TEMPORARY } from '../../shared/format/file-names.js';
import type { CheckpointSnapshot } from '../../shared/messages.js';
import { type Storage, writeFully } from '../../shared/storage.js';
import { openOldHeads } from './old-heads.js';
import { writeTable } from './table-writer.js';
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
