/**
 * The hashes of the audit tree, from the edge and from full tiles. A tile is verified by the hash that the tile above has of
 * it, and so on up to the edge, which is verified by the checkpoint's frontier. Verified tiles are kept, a bounded number.
 */
import { TILE_BYTES, TILE_HEIGHT, TILE_WIDTH } from '../format/tile.js';
import { HASH_BYTES, hashPairInto } from '../format/tree-hash.js';
import { damagedTree } from './damage.js';
import type { Edge } from './edge.js';
import { type LeafRange, rootOfRange } from './paths.js';
import type { TileFiles } from './tile-files.js';

/** Each takes 16 KiB. */
const MAX_KEPT = 64;

/** Of a full tile: its hashes, then the levels above them, up to its root. */
type TileNodes = Buffer;

export class Tiles {
  readonly #files: TileFiles;
  readonly #edge: Edge;
  /** By path, the one that was used last at the end. */
  readonly #kept = new Map<string, TileNodes>();

  /** @param edge verified */
  constructor(files: TileFiles, edge: Edge) {
    this.#files = files;
    this.#edge = edge;
  }

  /** The root over a range of leaves. @throws ERR_CORRUPT where a tile does not verify */
  rootOf(range: LeafRange): Buffer {
    return rootOfRange(range, (height, index) => this.#perfect(height, index));
  }

  /** The hash of a leaf. */
  leaf(index: number): Buffer {
    return this.#perfect(0, index);
  }

  /** The hashes of a full tile, not to be changed. */
  full(level: number, index: number): Buffer {
    return this.#full(level, index).subarray(0, TILE_BYTES);
  }

  /** The root over the 2^height leaves from `index * 2^height` on. */
  #perfect(height: number, index: number): Buffer {
    const level = Math.floor(height / TILE_HEIGHT);
    const within = height % TILE_HEIGHT;
    const count = 2 ** within;
    const onEdge = this.#edge.rootOver(level, index * count, count);
    if (onEdge !== undefined) return onEdge;
    const perTile = TILE_WIDTH / count;
    const nodes = this.#full(level, Math.floor(index / perTile));
    const at = (nodesBelow(within) + (index % perTile)) * HASH_BYTES;
    return nodes.subarray(at, at + HASH_BYTES);
  }

  #full(level: number, index: number): TileNodes {
    const file = this.#files.path(level, index);
    const nodes = this.#kept.get(file) ?? this.#load(level, index, file);
    this.#kept.delete(file);
    this.#kept.set(file, nodes);
    if (this.#kept.size > MAX_KEPT) this.#kept.delete(this.#kept.keys().next().value!);
    return nodes;
  }

  #load(level: number, index: number, file: string): TileNodes {
    const nodes = nodesOf(this.#files.read(level, index, TILE_WIDTH));
    const root = nodes.subarray(-HASH_BYTES);
    if (root.equals(this.#perfect((level + 1) * TILE_HEIGHT, index))) return nodes;
    const leaves = TILE_WIDTH ** (level + 1);
    throw damagedTree(file, 0, 'the tile does not verify against the one above it', {
      firstSequence: index * leaves + 1,
      lastSequence: (index + 1) * leaves,
    });
  }
}

function nodesOf(hashes: Buffer): TileNodes {
  const nodes = Buffer.alloc((2 * TILE_WIDTH - 1) * HASH_BYTES);
  hashes.copy(nodes);
  for (let i = TILE_WIDTH; i < 2 * TILE_WIDTH - 1; i++) {
    hashPairInto(nodes, 2 * (i - TILE_WIDTH) * HASH_BYTES, nodes, i * HASH_BYTES);
  }
  return nodes;
}

/** How many nodes of a tile are on the levels below one of them. */
function nodesBelow(height: number): number {
  return 2 * TILE_WIDTH - (2 * TILE_WIDTH) / 2 ** height;
}
