/** The hashes of the audit tree, copied: those that are not there yet, each verified by the checkpoint that was signed. */
import path from 'node:path';
import type { Edge } from '../../shared/audit/edge.js';
import { TileFiles } from '../../shared/audit/tile-files.js';
import { Tiles } from '../../shared/audit/tiles.js';
import { TILE_DIR } from '../../shared/format/file-names.js';
import { hashesOnLevel, levelsOf, TILE_WIDTH } from '../../shared/format/tile.js';
import type { TreeFile } from '../../shared/format/tree-file.js';
import type { Storage } from '../../shared/storage.js';

export interface TileCopy {
  readonly storage: Storage;
  /** The directory that has the tree. */
  readonly from: string;
  /** Of the tree that is copied; verified. */
  readonly edge: Edge;
  readonly to: string;
  /** How many leaves the tree has of which the tiles are there already. */
  readonly have: number;
  readonly pause: () => void | Promise<void>;
}

/** Durable when it is done. @throws ERR_CORRUPT where a tile does not verify; ERR_STORAGE */
export async function copyTiles({ storage, from, edge, to, have, pause }: TileCopy): Promise<void> {
  const tiles = new Tiles(new TileFiles(storage, from), edge);
  const files = new TileFiles(storage, to);
  for (let level = 0; level < levelsOf(edge.size); level++) {
    const end = Math.floor(hashesOnLevel(edge.size, level) / TILE_WIDTH);
    for (let index = Math.floor(hashesOnLevel(have, level) / TILE_WIDTH); index < end; index++) {
      await pause();
      files.replace({ level, index, hashes: tiles.full(level, index) });
    }
  }
  for (const tile of edge.tiles()) {
    if (hashesOnLevel(have, tile.level) !== hashesOnLevel(edge.size, tile.level)) files.replace(tile);
  }
  files.sync();
}

/** Whether a tree, of so many leaves at least, begins with an older one. */
export function beginsWith(storage: Storage, from: string, edge: Edge, older: TreeFile): boolean {
  if (older.body.size > edge.size) return false;
  const tiles = new Tiles(new TileFiles(storage, from), edge);
  let first = 0;
  return older.frontier.every((root) => {
    // The perfect trees of the older one, the largest first.
    let leaves = 1;
    while (leaves * 2 <= older.body.size - first) leaves *= 2;
    const found = tiles.rootOf({ first, end: first + leaves });
    first += leaves;
    return found.equals(root);
  });
}

/** Remove what there was of tiles before they were full in a tree of so many leaves. */
export function removePartialTiles(storage: Storage, dir: string, before: number, size: number): void {
  const files = new TileFiles(storage, dir);
  for (let level = 0; level < levelsOf(before); level++) {
    const index = Math.floor(hashesOnLevel(before, level) / TILE_WIDTH);
    if (hashesOnLevel(size, level) >= (index + 1) * TILE_WIDTH) files.removePartial(level, index);
  }
}

/** Levels, groups of a thousand, and parts of tiles are directories; a tile's own name, and the width of a part, are not. */
const DIRECTORY = /^(x[0-9]{3}|[0-9]{3}\.p)$/;

/** Remove all tiles. */
export function removeTiles(storage: Storage, dir: string): void {
  const root = path.join(dir, TILE_DIR);
  if (!storage.exists(root)) return;
  for (const level of storage.list(root)) removeAll(storage, path.join(root, level));
  storage.removeDir(root);
}

function removeAll(storage: Storage, dir: string): void {
  for (const name of storage.list(dir)) {
    if (DIRECTORY.test(name)) removeAll(storage, path.join(dir, name));
    else storage.remove(path.join(dir, name));
  }
  storage.removeDir(dir);
}
