/**
 * The audit tree's part of a repair. Tiles are derived of the records, and made anew where what comes out leads to the root that
 * was signed. The tree's file cannot be: it is set aside, and the next checkpoint signs the same tree again, of records and tiles.
 */
import path from 'node:path';
import { TREE_FILE } from '../shared/format/file-names.js';
import type { Hole } from '../shared/holes.js';
import { isKeeperError } from '../shared/portable/errors.js';
import type { SegmentSpan } from '../shared/tree-tasks.js';
import type { SegmentPlan } from './repair/plan.js';
import { freeName } from './repair/rewrite.js';
import type { Runtime } from './runtime.js';
import { TreeMender } from './seal/tree-mender.js';

export interface TreeRepairParts {
  readonly dir: string;
  readonly storeId: Uint8Array;
  readonly epoch: number;
  readonly holes: readonly Hole[];
  readonly segments: readonly SegmentPlan[];
  readonly lastSequence: number;
  readonly dryRun: boolean;
  /** Throws where it is to end. */
  check(): void;
}

export interface TreeRepair {
  /** Files that are made anew, or would be, the tree's own by the next checkpoint; within the store's directory. */
  readonly rewritten: readonly string[];
  /** The name under which the tree's file was set aside, or, in a dry run, that would be. */
  readonly setAside: string | undefined;
  /** Files of tiles that stay damaged. */
  readonly left: readonly string[];
}

/** @throws ERR_STORAGE, ERR_UNSUPPORTED_FORMAT, and what `check` throws */
export async function repairTree(runtime: Runtime, parts: TreeRepairParts): Promise<TreeRepair> {
  const { dir, storeId, holes, dryRun, epoch, check } = parts;
  const { storage } = runtime;
  const file = path.join(dir, TREE_FILE);
  if (!storage.exists(file)) return { rewritten: [], setAside: undefined, left: [] };
  const pool = runtime.pool(1);
  const work = { dir, storeId, codec: 0, holes };
  const mender = new TreeMender({ pool, work, spans: () => spansOf(parts), check });
  try {
    const { mended, left } = await mender.mend(1, Number.POSITIVE_INFINITY, dryRun);
    const names = (tiles: typeof mended): string[] => tiles.map((tile) => path.relative(dir, tile.file));
    return { rewritten: names(mended), setAside: undefined, left: names(left) };
  } catch (error) {
    if (!isKeeperError(error, 'ERR_CORRUPT') || error.file !== file) throw error;
    const setAside = freeName(storage, dir, TREE_FILE, epoch);
    // Not synced: where a power cut brings it back, it is as damaged as before.
    if (!dryRun) storage.rename(file, path.join(dir, setAside));
    return { rewritten: [TREE_FILE], setAside, left: [] };
  } finally {
    await pool.close();
  }
}

function spansOf({ segments, lastSequence }: TreeRepairParts): SegmentSpan[] {
  return segments.map(({ number, firstSequence }, i) => ({
    number,
    firstSequence,
    lastSequence: (segments[i + 1]?.firstSequence ?? lastSequence + 1) - 1,
  }));
}
