/**
 * The right edge of the audit tree: on each level the tile that is not full yet. It is all that a tree needs to grow, and
 * with it the root is known. A tile that becomes full is handed on, and its root goes into the tile above.
 */
import { hashesOnLevel, levelsOf, TILE_BYTES, TILE_WIDTH } from '../format/tile.js';
import { HASH_BYTES, hashLeafInto, rootOver } from '../format/tree-hash.js';

/** A tile that is not full. */
interface Growing {
  readonly hashes: Buffer;
  /** How many hashes it has. */
  width: number;
  /** How many full tiles are before it on its level: its number. */
  index: number;
}

/** A tile of the edge, for whoever keeps it. */
export interface EdgeTile {
  readonly level: number;
  readonly index: number;
  /** As many as it has; not to be kept, as the tile goes on growing in place. */
  readonly hashes: Buffer;
}

export class Edge {
  readonly #levels: Growing[] = [];
  #size = 0;

  /** @param read gives the hashes of a tile, which is as wide as the size says; they are not verified here */
  static of(size: number, read: (level: number, index: number, width: number) => Buffer): Edge {
    const edge = new Edge();
    for (let level = 0; level < levelsOf(size); level++) {
      const count = hashesOnLevel(size, level);
      const growing = edge.#level(level);
      growing.index = Math.floor(count / TILE_WIDTH);
      growing.width = count % TILE_WIDTH;
      if (growing.width > 0) read(level, growing.index, growing.width).copy(growing.hashes);
    }
    edge.#size = size;
    return edge;
  }

  /** Leaves of the tree. */
  get size(): number {
    return this.#size;
  }

  /** The tiles that have any hash, the lowest level first. */
  tiles(): EdgeTile[] {
    return this.#levels.flatMap(({ hashes, width, index }, level) =>
      width === 0 ? [] : [{ level, index, hashes: hashes.subarray(0, width * HASH_BYTES) }],
    );
  }

  /**
   * Append leaves.
   * @param digests their data, 32 bytes each, of which those from `from` on are taken
   * @param onFull is given each tile that becomes full, before the next one begins in the same bytes
   */
  append(digests: Buffer, from: number, onFull: (tile: EdgeTile) => void): void {
    const lowest = this.#level(0);
    for (let at = from; at < digests.length; at += HASH_BYTES) {
      hashLeafInto(digests, at, lowest.hashes, lowest.width * HASH_BYTES);
      this.#grown(lowest, onFull);
    }
  }

  /** Append a leaf of which only the hash is known. */
  appendHash(hash: Buffer, onFull: (tile: EdgeTile) => void): void {
    const lowest = this.#level(0);
    hash.copy(lowest.hashes, lowest.width * HASH_BYTES);
    this.#grown(lowest, onFull);
  }

  /** The roots of the perfect trees that make up this one, the largest, which is the leftmost, first. */
  frontier(): { readonly level: number; readonly hash: Buffer }[] {
    const roots: { level: number; hash: Buffer }[] = [];
    for (let level = this.#levels.length - 1; level >= 0; level--) {
      const { hashes, width } = this.#levels[level]!;
      for (const hash of rootsOf(hashes, width)) roots.push({ level, hash });
    }
    return roots;
  }

  /**
   * The root over a perfect tree of `count` hashes of a level, the first of which has the number `from`; undefined where that is
   * not of a tile of the edge.
   */
  rootOver(level: number, from: number, count: number): Buffer | undefined {
    const growing = this.#levels[level];
    if (growing === undefined || Math.floor(from / TILE_WIDTH) !== growing.index) return undefined;
    const within = from % TILE_WIDTH;
    return within + count > growing.width ? undefined : rootOver(growing.hashes, within, count);
  }

  #level(level: number): Growing {
    this.#levels[level] ??= { hashes: Buffer.alloc(TILE_BYTES), width: 0, index: 0 };
    return this.#levels[level];
  }

  #grown(lowest: Growing, onFull: (tile: EdgeTile) => void): void {
    lowest.width++;
    this.#size++;
    if (lowest.width === TILE_WIDTH) this.#handOn(0, onFull);
  }

  #handOn(level: number, onFull: (tile: EdgeTile) => void): void {
    const full = this.#level(level);
    onFull({ level, index: full.index, hashes: full.hashes });
    const above = this.#level(level + 1);
    rootOver(full.hashes, 0, TILE_WIDTH).copy(above.hashes, above.width * HASH_BYTES);
    full.index++;
    full.width = 0;
    above.width++;
    if (above.width === TILE_WIDTH) this.#handOn(level + 1, onFull);
  }
}

/** The roots of the perfect trees over the first hashes of a tile that is not full, the largest first. */
export function rootsOf(hashes: Buffer, width: number): Buffer[] {
  const roots: Buffer[] = [];
  let from = 0;
  for (let count = TILE_WIDTH / 2; count >= 1; count /= 2) {
    if (from + count > width) continue;
    roots.push(rootOver(hashes, from, count));
    from += count;
  }
  return roots;
}
