/** The audit tree looked at, and mended where that can be done. */
import {
  damagedEdge,
  damagedParts,
  damagedTiles,
  fullTiles,
  isOfFrontier,
  sequencesOf,
  type TilePlace,
  tilesOf,
  widerPlace,
} from '../../shared/audit/check.js';
import { Mender } from '../../shared/audit/mend.js';
import { readTreeFile } from '../../shared/audit/stored-tree.js';
import { TileFiles } from '../../shared/audit/tile-files.js';
import { uncovered } from '../../shared/audit/uncovered.js';
import type { PlaceHasher } from '../../shared/format/checksum.js';
import { TILE_WIDTH } from '../../shared/format/tile.js';
import type { TreeFile } from '../../shared/format/tree-file.js';
import { HASH_BYTES, rootOver } from '../../shared/format/tree-hash.js';
import { Holes } from '../../shared/holes.js';
import type { SealResults, SealTaskOf } from '../../shared/seal-tasks.js';
import type { Storage } from '../../shared/storage.js';
import type { TreeResults, TreeStep } from '../../shared/tree-tasks.js';
import { LogDigests } from './log-digests.js';

/** Checked at once, which takes some ten milliseconds. */
const TILES_AT_ONCE = 64;

/** @throws ERR_CORRUPT where the tree's file does not verify; ERR_STORAGE */
export function runTreeStep(storage: Storage, hasher: PlaceHasher, task: SealTaskOf<'tree'>): SealResults['tree'] {
  const { step } = task;
  if (step.step === 'uncovered') {
    const digests = new LogDigests(storage, hasher, task, step.spans);
    const digestsOf = (first: number, last: number): (Buffer | undefined)[] => digests.of(first, last);
    const parts = { storage, dir: task.dir, holes: new Holes(task.holes), digestsOf };
    return uncovered(parts, step.covered, step.from, step.upTo);
  }
  const tree = readTreeFile(storage, task.dir, Buffer.from(task.storeId).toString('hex'));
  const files = new TileFiles(storage, task.dir);
  if (step.step === 'check') return check(files, tree, step.from, step.end);
  if (tree === undefined) return false;
  const hashes = mended(storage, hasher, { files, tree, task, step });
  if (hashes === undefined) return false;
  if (!step.dryRun) {
    files.replace({ ...step.place, hashes });
    files.sync();
  }
  return true;
}

interface MendWork {
  readonly files: TileFiles;
  readonly tree: TreeFile;
  readonly task: SealTaskOf<'tree'>;
  readonly step: Extract<TreeStep, { step: 'mend' }>;
}

/** The hashes of a tile that does not verify; undefined where they cannot be found any more. */
function mended(storage: Storage, hasher: PlaceHasher, { files, tree, task, step }: MendWork): Buffer | undefined {
  const { place, spans } = step;
  const wider = widerPlace(tree.body.size, place);
  if (wider !== undefined) {
    return files.read(wider.level, wider.index, wider.width).subarray(0, place.width * HASH_BYTES);
  }
  const digests = new LogDigests(storage, hasher, task, spans);
  const mender = new Mender(storage, files, (first, last) => digests.of(first, last));
  return mender.mended(place, verifier(files, tree, place));
}

function check(files: TileFiles, tree: TreeFile | undefined, from: number, end: number): TreeResults['check'] {
  if (tree === undefined) return { size: 0, to: end, damaged: [] };
  const { size } = tree.body;
  const edge = damagedEdge(files, tree);
  if (edge.length > 0) return { size, to: undefined, damaged: edge };
  const last = Math.min(end, fullTiles(size));
  const to = Math.min(from + TILES_AT_ONCE, last);
  const parts = from === 0 ? damagedParts(files, tree) : [];
  return { size, to: to >= last ? end : to, damaged: [...parts, ...damagedTiles(files, tree, from, to)] };
}

/** Whether hashes are those of a tile that the tree has, by what is above it. */
function verifier(files: TileFiles, tree: TreeFile, place: TilePlace): (hashes: Buffer) => boolean {
  if (place.width < TILE_WIDTH) return (hashes) => isOfFrontier(tree, place, hashes);
  const { firstSequence, lastSequence } = sequencesOf(place);
  const root = tilesOf(files, tree).rootOf({ first: firstSequence - 1, end: lastSequence });
  return (hashes) => rootOver(hashes, 0, TILE_WIDTH).equals(root);
}
