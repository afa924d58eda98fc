/** The audit tree, backed up: its file with the newest checkpoint, and its hashes. The key that signs is not. */
import type { Edge } from '../../shared/audit/edge.js';
import { originOf, readEdge, readTreeFile } from '../../shared/audit/stored-tree.js';
import { TileFiles } from '../../shared/audit/tile-files.js';
import type { BackupContent } from '../../shared/format/backup-list.js';
import { TREE_FILE } from '../../shared/format/file-names.js';
import { decodeTreeFile, encodeTreeFile, MAX_TREE_FILE_BYTES, type TreeFile } from '../../shared/format/tree-file.js';
import { readFile, type Storage } from '../../shared/storage.js';
import { type CopyContext, copyInto, putInPlace } from './copying.js';
import type { LogPlace } from './log-walk.js';
import { type BackupTarget, otherBackup } from './target.js';
import { beginsWith, copyTiles } from './tiles.js';

/** A tree as its newest checkpoint has it. */
export interface SignedTree {
  readonly file: TreeFile;
  readonly edge: Edge;
}

/** Undefined where nothing was ever signed. @throws ERR_CORRUPT */
export function openTree(storage: Storage, dir: string, storeId: string): SignedTree | undefined {
  const file = readTreeFile(storage, dir, storeId);
  return file && { file, edge: readEdge(new TileFiles(storage, dir), file) };
}

/**
 * Copy a tree, of which the last backup may have a part.
 * @throws ERR_INVALID_OPTIONS where that is another tree; ERR_CORRUPT, ERR_STORAGE
 */
export async function backUpTree(
  place: LogPlace & CopyContext,
  dir: string,
  target: BackupTarget,
  tree: SignedTree | undefined,
): Promise<BackupContent['tree']> {
  const { storage, pause } = place;
  const known = target.content?.tree ?? null;
  const older = known !== null && target.holds(TREE_FILE, known) ? readOlder(place, target, known) : undefined;
  // A store whose tree has gone, or is begun anew, has proofs of what it had signed in its backup.
  if (tree === undefined || tree.edge.size < (older?.body.size ?? 0)) return older === undefined ? null : known;
  if (older !== undefined && !beginsWith(storage, dir, tree.edge, older)) {
    throw otherBackup(`the audit tree of ${dir} does not go on from the one in the last backup`);
  }
  const bytes = encodeTreeFile(tree.file);
  if (older !== undefined && bytes.equals(encodeTreeFile(older))) return known;
  await copyTiles({ storage, from: dir, edge: tree.edge, to: target.dir, have: older?.body.size ?? 0, pause });
  const to = target.path(TREE_FILE);
  const source = { read: (into: Uint8Array, offset: number) => bytes.copy(into, 0, offset) };
  const copied = await copyInto({ ...place, onBytes() {} }, source, bytes.length, to);
  putInPlace(storage, to);
  return { ...copied, size: tree.edge.size, backup: target.number };
}

/** The tree's file of the last backup; undefined where it does not verify any more. */
function readOlder(
  { storage, storeId }: LogPlace,
  target: BackupTarget,
  known: NonNullable<BackupContent['tree']>,
): TreeFile | undefined {
  const bytes = readFile(storage, target.path(TREE_FILE, known), MAX_TREE_FILE_BYTES + 1);
  const found = decodeTreeFile(bytes, originOf(Buffer.from(storeId).toString('hex')));
  return found.kind === 'valid' ? found.tree : undefined;
}
