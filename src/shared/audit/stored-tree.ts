/** The audit tree as a directory has it: its file, and the edge that belongs to the checkpoint in it. */
import path from 'node:path';
import { unsupported } from '../damage.js';
import { TREE_FILE } from '../format/file-names.js';
import { decodeTreeFile, MAX_TREE_FILE_BYTES, TREE_FORMAT, type TreeFile } from '../format/tree-file.js';
import { HASH_BYTES } from '../format/tree-hash.js';
import { readFile, type Storage } from '../storage.js';
import { damagedTree } from './damage.js';
import { Edge } from './edge.js';
import type { TileFiles } from './tile-files.js';

/** The name of a store's log: what its checkpoints begin with, and what its keys are called. */
export function originOf(storeId: string): string {
  return `keeperlog/${storeId}`;
}

/** The tree's file; undefined where no checkpoint was ever made. @throws ERR_CORRUPT, ERR_UNSUPPORTED_FORMAT */
export function readTreeFile(storage: Storage, dir: string, storeId: string): TreeFile | undefined {
  const bytes = readTreeBytes(storage, dir);
  return bytes && treeOf(bytes, dir, storeId);
}

/** The bytes of the tree's file, by which it is told from an older one; undefined where there is none. */
export function readTreeBytes(storage: Storage, dir: string): Buffer | undefined {
  const file = path.join(dir, TREE_FILE);
  return storage.exists(file) ? readFile(storage, file, MAX_TREE_FILE_BYTES + 1) : undefined;
}

/** What the bytes of a tree's file say. @throws ERR_CORRUPT, ERR_UNSUPPORTED_FORMAT */
export function treeOf(bytes: Buffer, dir: string, storeId: string): TreeFile {
  const file = path.join(dir, TREE_FILE);
  const found = decodeTreeFile(bytes, originOf(storeId));
  if (found.kind === 'unsupported') throw unsupported(file, found.format, TREE_FORMAT);
  if (found.kind === 'corrupt') throw damagedTree(file, 0, `the audit tree's file does not verify: ${found.why}`);
  return found.tree;
}

/** The edge of a checkpoint's tree, verified by its frontier. @throws ERR_CORRUPT */
export function readEdge(files: TileFiles, { body, frontier }: TreeFile): Edge {
  const edge = Edge.of(body.size, (level, index, width) => files.read(level, index, width));
  const wrong = edge.frontier().find(({ hash }, i) => !hash.equals(frontier[i]!));
  if (wrong === undefined) return edge;
  const { index, hashes } = edge.tiles().find(({ level }) => level === wrong.level)!;
  const file = files.path(wrong.level, index, hashes.length / HASH_BYTES);
  throw damagedTree(file, 0, "the tile does not verify against the checkpoint's frontier");
}
