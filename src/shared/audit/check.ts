/**
 * Which tiles do not verify against the signed root. A tile is as good as the one above it, up to the edge, and that as the
 * frontier in the tree's file: so below a damaged tile nothing is told of the others.
 */
import { hashesOnLevel, levelsOf, TILE_WIDTH } from '../format/tile.js';
import type { TreeFile } from '../format/tree-file.js';
import { HASH_BYTES } from '../format/tree-hash.js';
import { isKeeperError, type KeeperError } from '../portable/errors.js';
import { damagedTree, UNMENDED_HINT } from './damage.js';
import { Edge, rootsOf } from './edge.js';
import type { TileFiles } from './tile-files.js';
import { Tiles } from './tiles.js';

/** A tile of a tree, as wide as it is there. */
export interface TilePlace {
  readonly level: number;
  readonly index: number;
  readonly width: number;
}

/** A tile that does not verify. Plain data, also for another thread. */
export interface DamagedTile {
  readonly place: TilePlace;
  readonly file: string;
  readonly why: string;
}

/** The error of a tile that cannot be made anew, beside which nothing is removed. */
export function unmendedTile({ place, file, why }: DamagedTile): KeeperError {
  const what = `${why}, and cannot be made anew of what is left: no record below it is removed`;
  return damagedTree(file, 0, what, { ...sequencesOf(place), hint: UNMENDED_HINT });
}

/** The tiles that are not full in a tree of so many leaves, the highest first. */
export function edgePlaces(size: number): TilePlace[] {
  const places: TilePlace[] = [];
  for (let level = levelsOf(size) - 1; level >= 0; level--) {
    const count = hashesOnLevel(size, level);
    const width = count % TILE_WIDTH;
    if (width > 0) places.push({ level, index: Math.floor(count / TILE_WIDTH), width });
  }
  return places;
}

/** Whether hashes are those of a tile of the edge, by the checkpoint's frontier. */
export function isOfFrontier({ body, frontier }: TreeFile, place: TilePlace, hashes: Buffer): boolean {
  let before = 0;
  for (const { level, width } of edgePlaces(body.size)) {
    if (level === place.level) {
      const isWide = width === place.width && hashes.length === width * HASH_BYTES;
      return isWide && rootsOf(hashes, width).every((root, i) => root.equals(frontier[before + i]!));
    }
    before += bitsOf(width);
  }
  return false;
}

/** The sequences whose leaves are below a tile. */
export function sequencesOf({ level, index, width }: TilePlace): { firstSequence: number; lastSequence: number } {
  const firstSequence = index * TILE_WIDTH ** (level + 1) + 1;
  return { firstSequence, lastSequence: firstSequence - 1 + width * TILE_WIDTH ** level };
}

/** The tiles of the edge that do not verify. As long as there are any, no other one can be told. */
export function damagedEdge(files: TileFiles, tree: TreeFile): DamagedTile[] {
  return edgePlaces(tree.body.size).flatMap((place) => {
    const { level, index, width } = place;
    const isWhole = verifies(() => isOfFrontier(tree, place, files.read(level, index, width)));
    return isWhole ? [] : [damaged(files, place, "the tile does not verify against the checkpoint's frontier")];
  });
}

/**
 * The parts of the edge's tiles, of earlier checkpoints, that are not the beginning of what they are now: whoever has such a checkpoint may
 * ask for them. Those of a full tile nobody needs.
 * @param tree whose edge is whole
 */
export function damagedParts(files: TileFiles, tree: TreeFile): DamagedTile[] {
  return edgePlaces(tree.body.size).flatMap((edge) => {
    const { level, index } = edge;
    const now = files.read(level, index, edge.width);
    const parts = files.widths(level, index).filter((width) => width < edge.width);
    return parts.flatMap((width) => {
      const isWhole = verifies(() => files.read(level, index, width).equals(now.subarray(0, width * HASH_BYTES)));
      return isWhole ? [] : [damaged(files, { level, index, width }, 'the tile is not the beginning of the wider one')];
    });
  });
}

/** The tile of the edge that an earlier, narrower one is the beginning of; undefined where a place is none of those. */
export function widerPlace(size: number, { level, index, width }: TilePlace): TilePlace | undefined {
  return edgePlaces(size).find((edge) => edge.level === level && edge.index === index && edge.width > width);
}

/**
 * The full tiles that do not verify, each but once, among some of the lowest level, and those above them.
 * @param tree whose edge is whole
 * @param from the number of the first one
 * @param end of the one behind the last
 */
export function damagedTiles(files: TileFiles, tree: TreeFile, from: number, end: number): DamagedTile[] {
  const { size } = tree.body;
  const tiles = tilesOf(files, tree);
  const found = new Map<string, DamagedTile>();
  for (let lowest = from; lowest < end; lowest++) {
    for (let level = levelsOf(size) - 1; level >= 0; level--) {
      const index = Math.floor(lowest / TILE_WIDTH ** level);
      if (index >= Math.floor(hashesOnLevel(size, level) / TILE_WIDTH)) continue;
      if (verifies(() => tiles.full(level, index))) continue;
      const place = { level, index, width: TILE_WIDTH };
      found.set(`${level}/${index}`, damaged(files, place, 'the tile does not verify against the one above it'));
      break;
    }
  }
  return [...found.values()];
}

/** Full tiles of a tree's lowest level. */
export function fullTiles(size: number): number {
  return Math.floor(size / TILE_WIDTH);
}

/** A tree's tiles behind an edge that is believed. @throws ERR_CORRUPT where it is not whole */
export function tilesOf(files: TileFiles, { body }: TreeFile): Tiles {
  return new Tiles(
    files,
    Edge.of(body.size, (level, index, width) => files.read(level, index, width)),
  );
}

function damaged(files: TileFiles, place: TilePlace, why: string): DamagedTile {
  const { level, index, width } = place;
  return { place, file: files.path(level, index, width), why: files.has(place) ? why : 'the tile is missing' };
}

/** Whether something verifies: false, or ERR_CORRUPT, where it does not. */
function verifies(look: () => unknown): boolean {
  try {
    return look() !== false;
  } catch (error) {
    if (isKeeperError(error, 'ERR_CORRUPT')) return false;
    throw error;
  }
}

function bitsOf(width: number): number {
  let bits = 0;
  for (let rest = width; rest > 0; rest >>= 1) bits += rest & 1;
  return bits;
}
