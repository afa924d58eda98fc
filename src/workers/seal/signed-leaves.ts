/** Whether the records that are verified are those that were signed. */
import { readEdge, readTreeFile } from '../../shared/audit/stored-tree.js';
import { TileFiles } from '../../shared/audit/tile-files.js';
import { Tiles } from '../../shared/audit/tiles.js';
import { TILE_WIDTH } from '../../shared/format/tile.js';
import { HASH_BYTES, hashLeafInto } from '../../shared/format/tree-hash.js';
import type { Hole } from '../../shared/holes.js';
import { isKeeperError } from '../../shared/portable/errors.js';
import type { Storage } from '../../shared/storage.js';

export class SignedLeaves {
  readonly #tiles: Tiles;
  readonly #size: number;
  readonly #digest = Buffer.alloc(HASH_BYTES);
  readonly #hash = Buffer.alloc(HASH_BYTES);
  /** The number of a tile that does not verify: of that others tell. */
  #damaged = -1;
  /** Sequences whose records are others than those that were signed. */
  readonly others: Hole[] = [];

  /** Undefined where nothing was signed, or there is no telling what. */
  static open(storage: Storage, dir: string, storeId: Uint8Array): SignedLeaves | undefined {
    return undefinedIfCorrupt(() => {
      const tree = readTreeFile(storage, dir, Buffer.from(storeId).toString('hex'));
      if (tree === undefined) return undefined;
      const files = new TileFiles(storage, dir);
      return new SignedLeaves(new Tiles(files, readEdge(files, tree)), tree.body.size);
    });
  }

  private constructor(tiles: Tiles, size: number) {
    this.#tiles = tiles;
    this.#size = size;
  }

  /**
   * @param sequence not below those that were checked before
   * @param digest SHA-256 of its record, a character a byte
   */
  check(sequence: number, digest: string): void {
    if (sequence > this.#size) return;
    const tile = Math.floor((sequence - 1) / TILE_WIDTH);
    if (tile === this.#damaged) return;
    const signed = undefinedIfCorrupt(() => this.#tiles.leaf(sequence - 1));
    if (signed === undefined) this.#damaged = tile;
    else if (!signed.equals(this.#hashOf(digest))) addTo(this.others, sequence);
  }

  #hashOf(digest: string): Buffer {
    this.#digest.write(digest, 0, 'latin1');
    hashLeafInto(this.#digest, 0, this.#hash, 0);
    return this.#hash;
  }
}

/** Put a sequence behind some ranges. */
export function addTo(ranges: Hole[], sequence: number): void {
  const last = ranges.at(-1);
  if (last?.[1] === sequence - 1) ranges[ranges.length - 1] = [last[0], sequence];
  else ranges.push([sequence, sequence]);
}

function undefinedIfCorrupt<T>(look: () => T): T | undefined {
  try {
    return look();
  } catch (error) {
    if (isKeeperError(error, 'ERR_CORRUPT') || isKeeperError(error, 'ERR_UNSUPPORTED_FORMAT')) return undefined;
    throw error;
  }
}
