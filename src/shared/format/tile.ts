/**
 * Hash tiles: the audit tree in files (https://c2sp.org/tlog-tiles). A tile is up to 256 hashes of 32 bytes, one after the
 * other, and nothing else.
 *
 *     tile/0/000              the hashes of leaves 0 to 255
 *     tile/0/x001/234         of leaves 316,000 to ...: groups of three digits of the number, all but the last with an x
 *     tile/1/000              the root over tile/0/000, over tile/0/001, ...
 *     tile/0/x001/235.p/17    a tile that is not full yet: its first 17 hashes
 *
 * Hash i of tile n on level l is the root over the leaves from (n * 256 + i) * 256^l on, 256^l of them. A tile never changes: a
 * longer part of it is another file, and the whole is another one again.
 */
import { TILE_DIR } from './file-names.js';
import { HASH_BYTES } from './tree-hash.js';

/** Hashes of a full tile. */
export const TILE_WIDTH = 256;
/** Levels of the tree within a tile. */
export const TILE_HEIGHT = 8;
export const TILE_BYTES = TILE_WIDTH * HASH_BYTES;

/** A tile's path within the store's directory, with `/`. */
export function tilePath(level: number, index: number, width = TILE_WIDTH): string {
  const path = `${TILE_DIR}/${level}/${groupsOf(index)}`;
  return width === TILE_WIDTH ? path : `${path}.p/${width}`;
}

/** The directory of what there was of a tile before it was full. */
export function partialTilesDir(level: number, index: number): string {
  return `${tilePath(level, index)}.p`;
}

function groupsOf(index: number): string {
  const digits = String(index);
  const padded = digits.padStart(Math.ceil(digits.length / 3) * 3, '0');
  return padded.replace(/\d{3}(?=\d)/g, 'x$&/');
}

/** How many hashes a level has in a tree of so many leaves. */
export function hashesOnLevel(size: number, level: number): number {
  return Math.floor(size / TILE_WIDTH ** level);
}

/** How many levels have any hash in a tree of so many leaves. */
export function levelsOf(size: number): number {
  let levels = 0;
  while (hashesOnLevel(size, levels) > 0) levels++;
  return levels;
}
