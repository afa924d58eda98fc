/**
 * The hashes of leaves in tiles that are left where no checkpoint covers them: of a tree whose file is lost. A full tile counts if the
 * one above it, where that is there, has its root.
 */
import { TILE_WIDTH } from '../format/tile.js';
import { HASH_BYTES, rootOver } from '../format/tree-hash.js';
import { readFile, type Storage } from '../storage.js';
import type { DamagedTile } from './check.js';
import { damagedTree } from './damage.js';
import type { TileFiles } from './tile-files.js';

export class LeftTiles {
  readonly #storage: Storage;
  readonly #files: TileFiles;
  /** The tile that was looked at last. */
  #last: { readonly index: number; readonly hashes: Buffer } | undefined;

  constructor(storage: Storage, files: TileFiles) {
    this.#storage = storage;
    this.#files = files;
  }

  /**
   * The hash of a leaf; undefined where no tile has it.
   * @throws ERR_CORRUPT where the tile is not the one that the tile above it knows
   */
  leaf(number: number): Buffer | undefined {
    const index = Math.floor(number / TILE_WIDTH);
    if (this.#last?.index !== index) this.#last = { index, hashes: this.#checked(index) };
    const at = (number % TILE_WIDTH) * HASH_BYTES;
    const hash = this.#last.hashes.subarray(at, at + HASH_BYTES);
    return hash.length === HASH_BYTES ? hash : undefined;
  }

  /**
   * Whether the tile above one of the lowest level has another root of it than its hashes give: that tile; undefined where it has the
   * same, or none.
   */
  otherAbove(index: number, hashes: Buffer): DamagedTile | undefined {
    const above = Math.floor(index / TILE_WIDTH);
    const { bytes, width } = this.#widest(1, above);
    const at = (index % TILE_WIDTH) * HASH_BYTES;
    const known = bytes.subarray(at, at + HASH_BYTES);
    if (known.length < HASH_BYTES || known.equals(rootOver(hashes, 0, TILE_WIDTH))) return undefined;
    const why = 'the tile has another hash than the records give';
    return { place: { level: 1, index: above, width }, file: this.#files.path(1, above, width), why };
  }

  #checked(index: number): Buffer {
    const { bytes } = this.#widest(0, index);
    if (bytes.length < TILE_WIDTH * HASH_BYTES || this.otherAbove(index, bytes) === undefined) return bytes;
    throw damagedTree(this.#files.path(0, index), 0, 'the tile does not verify against the one above it', {
      firstSequence: index * TILE_WIDTH + 1,
      lastSequence: (index + 1) * TILE_WIDTH,
    });
  }

  /** What there is of a tile: the whole of it, or its longest part. */
  #widest(level: number, index: number): { readonly bytes: Buffer; readonly width: number } {
    const widths = this.#files.widths(level, index).sort((a, b) => b - a);
    const width = [TILE_WIDTH, ...widths].find((one) => this.#storage.exists(this.#files.path(level, index, one)));
    if (width === undefined) return { bytes: Buffer.alloc(0), width: 0 };
    return { bytes: readFile(this.#storage, this.#files.path(level, index, width), width * HASH_BYTES), width };
  }
}
