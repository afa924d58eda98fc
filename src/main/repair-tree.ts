/**
 * The audit tree's part of a repair. Tiles are derived of the records, and made anew where what comes out leads to the root that
 * was signed. The tree's file, where it is lost, or does not verify, is signed again, of records and tiles, if these have every leaf.
 */
import path from 'node:path';
import { KEY_FILE, TREE_FILE } from '../shared/format/file-names.js';
import type { Hole } from '../shared/holes.js';
import { isKeeperError } from '../shared/portable/errors.js';
import type { Problem } from '../shared/problem.js';
import type { SegmentSpan } from '../shared/tree-tasks.js';
import { lookForLeaves, problemOfTile, type RebuildParts, rebuildTree } from './rebuild-tree.js';
import type { SegmentPlan } from './repair/plan.js';
import { freeName } from './repair/rewrite.js';
import type { Runtime } from './runtime.js';
import type { Pool } from './seal/pool.js';
import { TreeMender } from './seal/tree-mender.js';

export interface TreeRepairParts {
  readonly dir: string;
  readonly storeId: Uint8Array;
  readonly epoch: number;
  readonly holes: readonly Hole[];
  readonly segments: readonly SegmentPlan[];
  readonly lastSequence: number;
  /** The last one that is known to be durable. */
  readonly durable: number;
  readonly dryRun: boolean;
  /** Throws where it is to end. */
  check(): void;
}

export interface TreeRepair {
  /** Files that are made anew, or would be; within the store's directory. */
  readonly rewritten: readonly string[];
  /** The names under which files were set aside. */
  readonly kept: readonly string[];
  /** Why files stay damaged. */
  readonly problems: readonly Problem[];
}

const NOTHING: TreeRepair = { rewritten: [], kept: [], problems: [] };

/** @throws ERR_STORAGE, ERR_UNSUPPORTED_FORMAT, and what `check` throws */
export async function repairTree(runtime: Runtime, parts: TreeRepairParts): Promise<TreeRepair> {
  const pool = runtime.pool(1);
  try {
    const { covered, ...mended } = await mendTiles(runtime, parts, pool);
    // A tile that no checkpoint covers, and the edge, are looked at where the others are whole.
    const rebuilt = mended.problems.length > 0 ? NOTHING : await rebuild(runtime, parts, pool, covered);
    return {
      rewritten: [...mended.rewritten, ...rebuilt.rewritten],
      kept: rebuilt.kept,
      problems: [...mended.problems, ...rebuilt.problems],
    };
  } finally {
    await pool.close();
  }
}

/** What the newest checkpoint covers: so many leaves, or nothing for its file is missing, or does not verify. */
type Covered = number | 'missing' | 'damaged';

async function mendTiles(
  { storage }: Runtime,
  parts: TreeRepairParts,
  pool: Pool,
): Promise<TreeRepair & { readonly covered: Covered }> {
  const { dir, storeId, holes, dryRun, check } = parts;
  const file = path.join(dir, TREE_FILE);
  if (!storage.exists(file)) return { ...NOTHING, covered: 'missing' };
  const work = { dir, storeId, codec: 0, holes };
  const mender = new TreeMender({ pool, work, spans: () => spansOf(parts), check });
  try {
    const { mended, left, size } = await mender.mend(1, Number.POSITIVE_INFINITY, dryRun);
    const rewritten = mended.map((tile) => path.relative(dir, tile.file));
    return { rewritten, kept: [], problems: left.map(problemOfTile), covered: size };
  } catch (error) {
    if (!isKeeperError(error, 'ERR_CORRUPT') || error.file !== file) throw error;
    return { ...NOTHING, covered: 'damaged' };
  }
}

/** Sign again what was signed, where the file that says so is lost. */
async function rebuild(
  { storage }: Runtime,
  parts: TreeRepairParts,
  pool: Pool,
  covered: Covered,
): Promise<TreeRepair> {
  const { dir, storeId, holes, epoch, durable, dryRun, check } = parts;
  const kept: string[] = [];
  const setAside = (file: string): void => {
    const name = freeName(storage, dir, path.relative(dir, file), epoch);
    // Not synced: where a power cut brings it back, it is as damaged as before.
    storage.rename(file, path.join(dir, name));
    kept.push(name);
  };
  const file = path.join(dir, TREE_FILE);
  if (!storage.exists(path.join(dir, KEY_FILE))) {
    // What a new key signs is for the next checkpoint: those who verify must be told of the key.
    if (covered !== 'damaged') return NOTHING;
    if (!dryRun) setAside(file);
    return { rewritten: [TREE_FILE], kept, problems: [] };
  }
  const work = { dir, storeId, codec: 0, holes };
  const rebuildParts: RebuildParts = { pool, work, spans: spansOf(parts), durable, file, check };
  const { lastRemoved, others, problems } = await lookForLeaves(
    rebuildParts,
    typeof covered === 'number' ? covered : 0,
  );
  const isDue = typeof covered !== 'number' || lastRemoved > 0 || others.length > 0 || problems.length > 0;
  if (!isDue || problems.length > 0) return { ...NOTHING, problems };
  const rewritten = [TREE_FILE, ...others.map((tile) => path.relative(dir, tile.file))];
  if (dryRun) return { rewritten, kept, problems };
  for (const tile of others) setAside(tile.file);
  if (covered === 'damaged') setAside(file);
  const problem = await rebuildTree(rebuildParts, setAside);
  return problem === undefined ? { rewritten, kept, problems } : { rewritten: [], kept, problems: [problem] };
}

function spansOf({ segments, lastSequence }: TreeRepairParts): SegmentSpan[] {
  return segments.map(({ number, firstSequence }, i) => ({
    number,
    firstSequence,
    lastSequence: (segments[i + 1]?.firstSequence ?? lastSequence + 1) - 1,
  }));
}
