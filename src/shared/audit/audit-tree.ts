/**
 * The Merkle tree over a store, in the hands of the one who lets it grow. Leaf i is sequence i + 1, its data the record's digest.
 * Full tiles go to the disk as they become full; a checkpoint makes them durable, then the tiles of the edge, then signs, then
 * replaces the tree's file. So what a checkpoint covers is durable before anybody sees its signature, and what no checkpoint
 * covers may be lost: it is appended again.
 *
 * Any failure is final for this object: open the tree again, which begins at the newest checkpoint.
 */
import path from 'node:path';
import { TREE_FILE } from '../format/file-names.js';
import { signText } from '../format/signing-key.js';
import { hashesOnLevel, levelsOf, TILE_WIDTH } from '../format/tile.js';
import { encodeTreeFile, type TreeFile } from '../format/tree-file.js';
import { HASH_BYTES, hashLeafInto, rootOfFrontier } from '../format/tree-hash.js';
import { type Checkpoint, formatCheckpointBody } from '../portable/proof/checkpoint.js';
import { formatNote, type VerifierKey } from '../portable/proof/note.js';
import { replaceFile, type Storage } from '../storage.js';
import { damagedTree, lostTree } from './damage.js';
import { Edge } from './edge.js';
import { SigningKeys } from './keys.js';
import { LeftTiles } from './left-tiles.js';
import { checkpointOf } from './prover.js';
import { originOf, readEdge, readTreeFile } from './stored-tree.js';
import { TileFiles } from './tile-files.js';
import { Tiles } from './tiles.js';

/** The data of a leaf whose record was lost before the tree had it: a repair has given it up. */
export const LOST_DIGEST: Uint8Array = new Uint8Array(HASH_BYTES);

export class AuditTree {
  readonly #storage: Storage;
  readonly #dir: string;
  readonly #origin: string;
  readonly #files: TileFiles;
  readonly #keys: SigningKeys;
  readonly #edge: Edge;
  readonly #tiles: Tiles;
  readonly #left: LeftTiles;
  #newest: TreeFile | undefined;
  #failure: unknown;

  /**
   * The tree of a store, as its newest checkpoint has it; without a leaf where there is none.
   * @param dir the store's, which the caller has to itself
   * @throws ERR_CORRUPT where it does not verify
   */
  static open(storage: Storage, dir: string, storeId: string): AuditTree {
    return new AuditTree(storage, dir, storeId);
  }

  private constructor(storage: Storage, dir: string, storeId: string) {
    this.#storage = storage;
    this.#dir = dir;
    this.#origin = originOf(storeId);
    this.#files = new TileFiles(storage, dir);
    this.#keys = new SigningKeys(storage, dir, this.#origin);
    this.#newest = readTreeFile(storage, dir, storeId);
    this.#edge = this.#newest === undefined ? new Edge() : readEdge(this.#files, this.#newest);
    this.#tiles = new Tiles(this.#files, this.#edge);
    this.#left = new LeftTiles(storage, this.#files);
  }

  /** Leaves: the last sequence that the tree has. */
  get size(): number {
    return this.#edge.size;
  }

  /** Whether the file of the key is for others as well. */
  get isKeyExposed(): boolean {
    return this.#keys.isExposed;
  }

  /** Whether there is a key already. */
  get hasKey(): boolean {
    return this.#keys.isMade;
  }

  /** The newest checkpoint, which is durable; undefined where none was ever made. */
  get newest(): Checkpoint | undefined {
    return this.#newest && checkpointOf(this.#newest);
  }

  /**
   * Append the leaves of consecutive sequences. Those that the tree has already are compared with it.
   * @param firstSequence not behind the one after the last
   * @param digests of the records, 32 bytes each; {@link LOST_DIGEST} where there is none any more
   * @throws ERR_CORRUPT where a digest is not the one that the tree has
   */
  append(firstSequence: number, digests: Uint8Array): void {
    const isNext = Number.isSafeInteger(firstSequence) && firstSequence >= 1 && firstSequence <= this.size + 1;
    if (!isNext || digests.length % HASH_BYTES !== 0) {
      throw new RangeError(`${digests.length} bytes of digests from ${firstSequence} on do not follow ${this.size}`);
    }
    this.#attempt(() => {
      const data = Buffer.from(digests.buffer, digests.byteOffset, digests.length);
      const known = Math.min(this.size + 1 - firstSequence, data.length / HASH_BYTES);
      for (let i = 0; i < known; i++) this.#compare(firstSequence + i, data, i * HASH_BYTES);
      this.#edge.append(data, known * HASH_BYTES, (tile) => this.#files.write(tile));
    });
  }

  /**
   * Append the leaves of sequences up to one, whose records are not there any more: as tiles that are left have them; else as of a record
   * that was lost before the tree had it.
   * @param mustBeKnown whether they were in the tree of the key in use when they went: that is not to sign anything else
   * @throws ERR_CORRUPT where they must be known, and no tile has them, or the tile does not verify
   */
  appendGone(upTo: number, mustBeKnown: boolean): void {
    this.#attempt(() => {
      while (this.size < upTo) {
        const hash = this.#left.leaf(this.size);
        if (hash === undefined && mustBeKnown) {
          throw lostTree(path.join(this.#dir, TREE_FILE), this.size + 1, upTo);
        }
        if (hash !== undefined) this.#edge.appendHash(hash, (tile) => this.#files.write(tile));
        else this.#edge.append(Buffer.from(LOST_DIGEST), 0, (tile) => this.#files.write(tile));
      }
    });
  }

  /** Sign the tree as it is. Durable when this returns; the same one again where nothing is new. */
  checkpoint(): Checkpoint {
    return this.#attempt(() => checkpointOf(this.#upToDate() ?? this.#sign()));
  }

  /** Make a new key. The checkpoint that is returned is signed by the old one and by it, later ones by it alone. */
  rotateKey(): Checkpoint {
    return this.#attempt(() => {
      this.#keys.inUse();
      this.#keys.rotate();
      return checkpointOf(this.#sign());
    });
  }

  #attempt<T>(call: () => T): T {
    if (this.#failure !== undefined) throw this.#failure;
    try {
      return call();
    } catch (error) {
      this.#failure = error;
      throw error;
    }
  }

  #compare(sequence: number, data: Buffer, at: number): void {
    const hash = Buffer.alloc(HASH_BYTES);
    hashLeafInto(data, at, hash, 0);
    const leaf = sequence - 1;
    if (this.#tiles.leaf(leaf).equals(hash)) return;
    const index = Math.floor(leaf / TILE_WIDTH);
    throw damagedTree(
      this.#files.path(0, index),
      (leaf % TILE_WIDTH) * HASH_BYTES,
      'the record is not the one in the tree',
      {
        firstSequence: sequence,
        lastSequence: sequence,
      },
    );
  }

  /** The newest checkpoint, if it covers everything and the key in use has signed it. */
  #upToDate(): TreeFile | undefined {
    const keys = this.#keys.inUse().map(({ verifier }) => verifier.text);
    const signers = this.#newest?.signers.map(({ text }) => text) ?? [];
    const isSigned = keys.every((key) => signers.includes(key));
    return this.#newest?.body.size === this.size && isSigned ? this.#newest : undefined;
  }

  #sign(): TreeFile {
    const before = this.#newest?.body.size ?? 0;
    for (const tile of this.#edge.tiles()) if (hasGrown(tile.level, before, this.size)) this.#files.write(tile);
    this.#files.sync();
    const frontier = this.#edge.frontier().map(({ hash }) => hash);
    const body = { origin: this.#origin, size: this.size, root: rootOfFrontier(frontier) };
    const text = formatCheckpointBody(body);
    const keys = this.#keys.inUse();
    const signers = keys.map(({ verifier }) => verifier);
    const checkpoint = formatNote(
      text,
      keys.map((key) => signText(text, key)),
    );
    const tree = { keys: withNew(this.#newest?.keys ?? [], signers), frontier, body, signers, checkpoint };
    replaceFile(this.#storage, this.#dir, TREE_FILE, [encodeTreeFile(tree)]);
    this.#newest = tree;
    this.#keys.retire();
    this.#removePartialTiles(before);
    return tree;
  }

  /** Remove the parts of tiles that were not full at the checkpoint before, and are now. */
  #removePartialTiles(sizeBefore: number): void {
    for (let level = 0; level < levelsOf(sizeBefore); level++) {
      const index = Math.floor(hashesOnLevel(sizeBefore, level) / TILE_WIDTH);
      const isFull = hashesOnLevel(this.size, level) >= (index + 1) * TILE_WIDTH;
      if (isFull) this.#files.removePartial(level, index);
    }
  }
}

function hasGrown(level: number, before: number, size: number): boolean {
  return hashesOnLevel(before, level) !== hashesOnLevel(size, level);
}

function withNew(keys: readonly VerifierKey[], others: readonly VerifierKey[]): VerifierKey[] {
  return [...keys, ...others.filter(({ text }) => !keys.some((key) => key.text === text))];
}
