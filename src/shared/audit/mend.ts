/**
 * A tile that does not verify, made anew: of the digests of the records that are there, of the tiles below it, and, where
 * neither is there, of what its file still says. What comes out is believed if it leads to the root that was signed, and
 * only then written: so it does not matter how it was found.
 */
import { TILE_WIDTH } from '../format/tile.js';
import { HASH_BYTES, hashLeafInto, rootOver } from '../format/tree-hash.js';
import { readFile, type Storage } from '../storage.js';
import { sequencesOf, type TilePlace } from './check.js';
import type { TileFiles } from './tile-files.js';

/** The digests of the records of consecutive sequences; undefined where there is none any more, or none that verifies. */
export type DigestsOf = (firstSequence: number, lastSequence: number) => readonly (Uint8Array | undefined)[];

/** A hash of a tile, where it is known. */
type Hashes = readonly (Buffer | undefined)[];

const LOST = hashOfLeaf(Buffer.alloc(HASH_BYTES));

export class Mender {
  readonly #storage: Storage;
  readonly #files: TileFiles;
  readonly #digestsOf: DigestsOf;

  constructor(storage: Storage, files: TileFiles, digestsOf: DigestsOf) {
    this.#storage = storage;
    this.#files = files;
    this.#digestsOf = digestsOf;
  }

  /**
   * The hashes of a tile, or undefined where they cannot be found any more.
   * @param verifies whether hashes are those that were signed
   */
  mended(place: TilePlace, verifies: (hashes: Buffer) => boolean): Buffer | undefined {
    for (const hashes of this.#candidates(place)) if (verifies(hashes)) return hashes;
    return undefined;
  }

  *#candidates(place: TilePlace): Generator<Buffer> {
    const stored = this.#stored(place);
    if (place.level === 0) {
      yield joined(this.#leaves(place), stored);
      return;
    }
    const below = this.#rootsBelow(place, (child) => this.#stored(child));
    yield joined(below, stored);
    yield joined(stored, below);
    // Tiles below it are damaged as well: what the records say counts where the two differ.
    const agreed = below.map((root, i) => (root !== undefined && stored[i]?.equals(root) === true ? root : undefined));
    const made = (isCertain: boolean): Hashes =>
      this.#rootsBelow(place, (child) => (agreed[child.index % TILE_WIDTH] ? [] : this.#made(child, isCertain)));
    yield joined(agreed, joinedLists(made(true), joinedLists(stored, below)));
    yield joined(agreed, joinedLists(made(false), joinedLists(stored, below)));
  }

  /**
   * A whole tile of the records below it, not verified.
   * @param isCertain whether of them alone; else also of what is left of tiles
   */
  #made(place: TilePlace, isCertain: boolean): Hashes {
    const stored = isCertain ? [] : this.#stored(place);
    if (place.level === 0) return joinedLists(this.#leaves(place), stored);
    return this.#rootsBelow(place, (child) =>
      joinedLists(isCertain ? [] : this.#stored(child), this.#made(child, isCertain)),
    );
  }

  /** The roots over the tiles below one, where those are known as a whole. */
  #rootsBelow({ level, index, width }: TilePlace, hashesOf: (child: TilePlace) => Hashes): Hashes {
    return Array.from({ length: width }, (_, i) => {
      const child = { level: level - 1, index: index * TILE_WIDTH + i, width: TILE_WIDTH };
      const hashes = hashesOf(child);
      if (hashes.length < TILE_WIDTH || hashes.includes(undefined)) return undefined;
      return rootOver(Buffer.concat(hashes as Buffer[]), 0, TILE_WIDTH);
    });
  }

  #leaves(place: TilePlace): Hashes {
    const { firstSequence, lastSequence } = sequencesOf(place);
    return this.#digestsOf(firstSequence, lastSequence).map((digest) => digest && hashOfLeaf(digest));
  }

  /** What the tile's file says, as far as it goes. */
  #stored({ level, index, width }: TilePlace): Hashes {
    const file = [width, TILE_WIDTH]
      .map((one) => this.#files.path(level, index, one))
      .find((one) => this.#storage.exists(one));
    const bytes = file === undefined ? Buffer.alloc(0) : readFile(this.#storage, file, width * HASH_BYTES);
    const whole = Math.floor(bytes.length / HASH_BYTES);
    return Array.from({ length: whole }, (_, i) => bytes.subarray(i * HASH_BYTES, (i + 1) * HASH_BYTES));
  }
}

export function hashOfLeaf(digest: Uint8Array): Buffer {
  const hash = Buffer.alloc(HASH_BYTES);
  hashLeafInto(Buffer.from(digest), 0, hash, 0);
  return hash;
}

/** The first list's hashes, or the other's, or that of a lost record. */
function joined(first: Hashes, other: Hashes): Buffer {
  const length = Math.max(first.length, other.length);
  return Buffer.concat(Array.from({ length }, (_, i) => first[i] ?? other[i] ?? LOST));
}

function joinedLists(first: Hashes, other: Hashes): Hashes {
  return Array.from({ length: Math.max(first.length, other.length) }, (_, i) => first[i] ?? other[i]);
}
