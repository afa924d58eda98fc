/**
 * Tiles on the disk. A tile that is there is never given other bytes: what is to be written is compared with it first. It is
 * written again all the same where it is not yet part of a checkpoint: that its name is there does not say that it is durable.
 */
import path from 'node:path';
import { makeDirDurable } from '../directories.js';
import { TEMPORARY } from '../format/file-names.js';
import { partialTilesDir, TILE_WIDTH, tilePath } from '../format/tile.js';
import { HASH_BYTES } from '../format/tree-hash.js';
import { isKeeperError } from '../portable/errors.js';
import { readFile, replaceContent, type Storage } from '../storage.js';
import { damagedTree } from './damage.js';
import type { EdgeTile } from './edge.js';

export class TileFiles {
  readonly #storage: Storage;
  readonly #dir: string;
  /** Directories whose own names are durable. */
  readonly #durableDirs = new Set<string>();
  /** Directories in which a name is new. */
  readonly #changedDirs = new Set<string>();

  /** @param dir the store's */
  constructor(storage: Storage, dir: string) {
    this.#storage = storage;
    this.#dir = dir;
  }

  /**
   * Write a tile, as wide as its hashes are many. Its content is durable then; its name is once {@link sync} has returned.
   * @throws ERR_CORRUPT where the file is there with other bytes
   */
  write(tile: EdgeTile): void {
    const { level, index, hashes } = tile;
    const width = hashes.length / HASH_BYTES;
    const file = this.path(level, index, width);
    const found = this.#storage.exists(file) ? readFile(this.#storage, file, hashes.length + 1) : undefined;
    if (found !== undefined && !found.equals(hashes)) {
      throw damagedTree(file, firstDifference(found, hashes), 'the tile has other hashes than the records give', {
        firstSequence: index * TILE_WIDTH ** (level + 1) + 1,
        lastSequence: (index * TILE_WIDTH + width) * TILE_WIDTH ** level,
      });
    }
    this.replace(tile);
  }

  /** The same, whatever is there: no checkpoint of this directory covers it, or it does not verify. */
  replace({ level, index, hashes }: EdgeTile): void {
    const file = this.path(level, index, hashes.length / HASH_BYTES);
    const dir = path.dirname(file);
    if (!this.#durableDirs.has(dir)) makeDirDurable(this.#storage, dir);
    this.#durableDirs.add(dir);
    replaceContent(this.#storage, file, file + TEMPORARY, [hashes]);
    this.#changedDirs.add(dir);
  }

  /** Make the names of all tiles durable that were written, without those that a process that died was about to give. */
  sync(): void {
    for (const dir of this.#changedDirs) {
      const begun = this.#storage.list(dir).filter((name) => name.endsWith(TEMPORARY));
      for (const name of begun) this.#storage.remove(path.join(dir, name));
      this.#storage.syncDir(dir);
    }
    this.#changedDirs.clear();
  }

  /**
   * A tile's first hashes. They are not verified.
   * @throws ERR_CORRUPT where there are not so many
   */
  read(level: number, index: number, width: number): Buffer {
    const whole = this.path(level, index);
    if (width === TILE_WIDTH) {
      if (!this.#storage.exists(whole)) throw damagedTree(whole, 0, 'the tile is missing');
      return this.#read(whole, width, TILE_WIDTH);
    }
    const part = this.path(level, index, width);
    try {
      if (this.#storage.exists(part)) return this.#read(part, width, width);
    } catch (error) {
      // A writer beside this reader may have removed it in this moment; then the whole tile is there.
      if (!isKeeperError(error, 'ERR_STORAGE') || error.errno !== 'ENOENT') throw error;
    }
    if (!this.#storage.exists(whole)) throw damagedTree(part, 0, 'the tile is missing');
    return this.#read(whole, width, TILE_WIDTH);
  }

  /** Whether a tile has a file, as wide as it is, or whole. */
  has({ level, index, width }: { readonly level: number; readonly index: number; readonly width: number }): boolean {
    return [width, TILE_WIDTH].some((one) => this.#storage.exists(this.path(level, index, one)));
  }

  /** How wide the parts of a tile are that are there, in any order. */
  widths(level: number, index: number): number[] {
    try {
      return this.#storage
        .list(path.join(this.#dir, partialTilesDir(level, index)))
        .map(Number)
        .filter(isWidth);
    } catch (error) {
      // There is none, or a writer beside this reader has just removed them.
      if (isKeeperError(error, 'ERR_STORAGE') && error.errno === 'ENOENT') return [];
      throw error;
    }
  }

  /** Remove what there was of a tile before it was full. */
  removePartial(level: number, index: number): void {
    const dir = path.join(this.#dir, partialTilesDir(level, index));
    if (!this.#storage.exists(dir)) return;
    for (const name of this.#storage.list(dir)) this.#storage.remove(path.join(dir, name));
    this.#storage.removeDir(dir);
    this.#durableDirs.delete(dir);
  }

  path(level: number, index: number, width = TILE_WIDTH): string {
    return path.join(this.#dir, tilePath(level, index, width));
  }

  /** The first `width` hashes of a file that has `ofWidth`. */
  #read(file: string, width: number, ofWidth: number): Buffer {
    const bytes = readFile(this.#storage, file, ofWidth * HASH_BYTES + 1);
    if (bytes.length !== ofWidth * HASH_BYTES) throw damagedTree(file, bytes.length, 'the tile is not of its length');
    return bytes.subarray(0, width * HASH_BYTES);
  }
}

function firstDifference(one: Buffer, other: Buffer): number {
  const at = one.findIndex((byte, i) => byte !== other[i]);
  return at === -1 ? one.length : at;
}

function isWidth(width: number): boolean {
  return Number.isInteger(width) && width > 0 && width < TILE_WIDTH;
}
