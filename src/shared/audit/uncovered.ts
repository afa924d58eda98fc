/**
 * What no checkpoint covers: all of a tree whose file is lost, and the end of one whose file is older than it was. Whether records, and the
 * tiles that are left, have every leaf of it, before it is made anew of them.
 */
import { TILE_WIDTH } from '../format/tile.js';
import { HASH_BYTES } from '../format/tree-hash.js';
import type { Holes } from '../holes.js';
import { isKeeperError } from '../portable/errors.js';
import { readFile, type Storage } from '../storage.js';
import { type DamagedTile, sequencesOf, type TilePlace } from './check.js';
import { LeftTiles } from './left-tiles.js';
import { type DigestsOf, hashOfLeaf } from './mend.js';
import { TileFiles } from './tile-files.js';

/** Plain data, also for another thread. */
export interface Uncovered {
  /** The last sequence whose record was removed; 0 where none was. */
  readonly lastRemoved: number;
  /** The first and the last of those of which no tile has the digest. */
  readonly lost: readonly [first: number, last: number] | undefined;
  /** Tiles with other hashes than the records give, all of which are there. */
  readonly others: readonly DamagedTile[];
  /** Tiles that do not verify, and alone have digests of what was removed. */
  readonly left: readonly DamagedTile[];
}

export interface UncoveredParts {
  readonly storage: Storage;
  /** The store's. */
  readonly dir: string;
  readonly holes: Holes;
  readonly digestsOf: DigestsOf;
}

/**
 * Look at some tiles of the lowest level.
 * @param covered leaves that the newest checkpoint covers
 * @param from the number of the first tile
 * @param upTo the last sequence
 */
export function uncovered(
  { storage, dir, holes, digestsOf }: UncoveredParts,
  covered: number,
  from: number,
  upTo: number,
): Uncovered {
  const files = new TileFiles(storage, dir);
  const leftTiles = new LeftTiles(storage, files);
  let lastRemoved = 0;
  let lost: [number, number] | undefined;
  const others: DamagedTile[] = [];
  const left: DamagedTile[] = [];

  /** Whether any tile has a leaf whose record is not there. A repair has given up those in holes, and may do without. */
  const look = (sequence: number): void => {
    const isGivenUp = holes.at(sequence) !== undefined;
    if (!isGivenUp) lastRemoved = sequence;
    const isKnown = leftTiles.leaf(sequence - 1) !== undefined;
    if (!isKnown && !isGivenUp) lost = [lost?.[0] ?? sequence, sequence];
  };

  /** What is not as the records give it. Where tile and tile above say the same, it is the records that are others. */
  const compare = (place: TilePlace, hashes: readonly (Buffer | undefined)[]): void => {
    const { index, width } = place;
    const file = files.path(0, index, width);
    const stored = storage.exists(file) ? readFile(storage, file, width * HASH_BYTES + 1) : undefined;
    const isOther = stored !== undefined && !agrees(stored, hashes);
    const damaged = { place, file, why: 'the tile has other hashes than the records give' };
    if (hashes.includes(undefined)) {
      if (isOther) left.push(damaged);
      return;
    }
    const above = width === TILE_WIDTH ? leftTiles.otherAbove(index, Buffer.concat(hashes as Buffer[])) : undefined;
    if (isOther && above !== undefined && leftTiles.otherAbove(index, stored) === undefined) {
      left.push({ ...damaged, why: 'the records are not those of which the audit tree has the digests' });
      return;
    }
    if (isOther) others.push(damaged);
    if (above !== undefined && others.every((one) => one.file !== above.file)) others.push(above);
  };

  for (let index = from; index * TILE_WIDTH < upTo; index++) {
    const place = { level: 0, index, width: Math.min(TILE_WIDTH, upTo - index * TILE_WIDTH) };
    const { firstSequence, lastSequence } = sequencesOf(place);
    const hashes = digestsOf(firstSequence, lastSequence).map((digest) => digest && hashOfLeaf(digest));
    try {
      for (const [i, hash] of hashes.entries()) {
        if (hash === undefined && firstSequence + i > covered) look(firstSequence + i);
      }
      compare(place, hashes);
    } catch (error) {
      if (!isKeeperError(error, 'ERR_CORRUPT')) throw error;
      left.push({ place, file: error.file, why: error.message });
    }
  }
  return { lastRemoved, lost, others, left };
}

/** Whether a tile's bytes are the hashes of the records that are there. */
function agrees(bytes: Buffer, hashes: readonly (Buffer | undefined)[]): boolean {
  if (bytes.length !== hashes.length * HASH_BYTES) return false;
  return hashes.every((hash, i) => hash?.equals(bytes.subarray(i * HASH_BYTES, (i + 1) * HASH_BYTES)) ?? true);
}
