/** Proofs as of one checkpoint. They are made of tiles alone: neither segments nor keys are needed. */

import type { TreeFile } from '../format/tree-file.js';
import { HASH_BYTES, hashLeafInto } from '../format/tree-hash.js';
import { toBase64 } from '../portable/proof/base64.js';
import type { Checkpoint } from '../portable/proof/checkpoint.js';
import type { ConsistencyProof, InclusionProof } from '../portable/proof/proof.js';
import type { Storage } from '../storage.js';
import { consistencyPath, inclusionPath, type LeafRange } from './paths.js';
import { readEdge, readTreeBytes, treeOf } from './stored-tree.js';
import { TileFiles } from './tile-files.js';
import { Tiles } from './tiles.js';

export function checkpointOf({ body, signers, checkpoint }: TreeFile): Checkpoint {
  return { size: body.size, root: toBase64(body.root), publicKey: signers.at(-1)!.text, text: checkpoint };
}

export class Prover {
  /** What the proofs are about. */
  readonly checkpoint: Checkpoint;
  /** The verifier keys of all generations, the oldest first. */
  readonly publicKeys: readonly string[];
  readonly #tiles: Tiles;
  /** The tree's file. */
  readonly #bytes: Buffer;

  /**
   * For the newest checkpoint of a store; undefined where none was ever made.
   * @param known an earlier one, which is given again where no newer checkpoint was signed
   * @throws ERR_CORRUPT where it does not verify
   */
  static open(storage: Storage, dir: string, storeId: string, known?: Prover): Prover | undefined {
    const bytes = readTreeBytes(storage, dir);
    if (bytes === undefined) return undefined;
    if (known?.isOf(bytes) === true) return known;
    const tree = treeOf(bytes, dir, storeId);
    const files = new TileFiles(storage, dir);
    return new Prover(bytes, tree, new Tiles(files, readEdge(files, tree)));
  }

  private constructor(bytes: Buffer, tree: TreeFile, tiles: Tiles) {
    this.#bytes = bytes;
    this.checkpoint = checkpointOf(tree);
    this.publicKeys = tree.keys.map(({ text }) => text);
    this.#tiles = tiles;
  }

  /** Whether its checkpoint is that of a tree's file with these bytes. */
  isOf(bytes: Uint8Array): boolean {
    return this.#bytes.equals(bytes);
  }

  /**
   * Whether a record is the one that the tree has.
   * @param sequence that the checkpoint covers
   * @param digest of the record
   * @throws ERR_CORRUPT where a tile does not verify
   */
  has(sequence: number, digest: Uint8Array): boolean {
    this.#check(sequence, 1);
    if (digest.length !== HASH_BYTES) return false;
    const hash = Buffer.alloc(HASH_BYTES);
    hashLeafInto(Buffer.from(digest), 0, hash, 0);
    return this.#tiles.leaf(sequence - 1).equals(hash);
  }

  /** @param sequence that the checkpoint covers. @throws ERR_CORRUPT where a tile does not verify */
  prove(sequence: number): InclusionProof {
    const { size, text: checkpoint } = this.checkpoint;
    this.#check(sequence, 1);
    return { kind: 'inclusion', sequence, hashes: this.#hashes(inclusionPath(sequence - 1, size)), checkpoint };
  }

  /** @param olderSize of a checkpoint that this one continues. @throws ERR_CORRUPT where a tile does not verify */
  proveConsistency(olderSize: number): ConsistencyProof {
    const { size, text: checkpoint } = this.checkpoint;
    this.#check(olderSize, 0);
    return { kind: 'consistency', size: olderSize, hashes: this.#hashes(consistencyPath(olderSize, size)), checkpoint };
  }

  #hashes(path: readonly LeafRange[]): string[] {
    return path.map((range) => toBase64(this.#tiles.rootOf(range)));
  }

  #check(sequence: number, from: number): void {
    const { size } = this.checkpoint;
    if (Number.isSafeInteger(sequence) && sequence >= from && sequence <= size) return;
    throw new RangeError(`${sequence} is not within a checkpoint of ${size}`);
  }
}
