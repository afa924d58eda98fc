/**
 * The audit tree made anew whose file is lost, or older than it was: of the records, and of the tiles that have the digests of those that
 * were removed. It is signed by the key that has signed it before, and only where every leaf is found.
 */
import path from 'node:path';
import { type DamagedTile, sequencesOf } from '../shared/audit/check.js';
import { TILE_DIR } from '../shared/format/file-names.js';
import { TILE_WIDTH } from '../shared/format/tile.js';
import { Holes } from '../shared/holes.js';
import { isKeeperError } from '../shared/portable/errors.js';
import type { Problem } from '../shared/problem.js';
import type { SealedWork } from '../shared/seal-tasks.js';
import type { SegmentSpan, TreeResults } from '../shared/tree-tasks.js';
import { Auditor } from './seal/auditor.js';
import { type Pool, withTries } from './seal/pool.js';
import { problemOf } from './verify-problem.js';

export interface RebuildParts {
  readonly pool: Pool;
  readonly work: Omit<SealedWork, 'number'>;
  /** The segments of the log, ascending. */
  readonly spans: readonly SegmentSpan[];
  /** The last sequence that is known to be durable: no other one is signed. */
  readonly durable: number;
  /** The tree's file. */
  readonly file: string;
  /** Throws where it is to end. */
  check(): void;
}

/** What no checkpoint covers. */
export interface Leaves {
  /** The last sequence whose record was removed; 0 where none was. */
  readonly lastRemoved: number;
  /** Tiles that are not what the records give, all of which are there. */
  readonly others: readonly DamagedTile[];
  /** Why the tree cannot be made anew. */
  readonly problems: readonly Problem[];
}

/**
 * Look whether every leaf is there.
 * @param covered leaves that the newest checkpoint covers
 * @throws ERR_STORAGE
 */
export async function lookForLeaves(parts: RebuildParts, covered: number): Promise<Leaves> {
  const { pool, work, spans, durable, file, check } = parts;
  const found: TreeResults['uncovered'][] = [];
  const pruned = (spans[0]?.firstSequence ?? 1) - 1;
  let from = Math.floor(covered / TILE_WIDTH);
  // A segment at a time, before them what retention has removed: so each is read once.
  for (const last of [pruned, ...spans.map(({ lastSequence }) => lastSequence), durable]) {
    const end = last < durable ? Math.floor(last / TILE_WIDTH) : Math.ceil(durable / TILE_WIDTH);
    if (end <= from) continue;
    check();
    const upTo = Math.min(end * TILE_WIDTH, durable);
    const near = spans.filter((span) => span.firstSequence <= upTo && span.lastSequence > from * TILE_WIDTH);
    const step = { step: 'uncovered', covered, from, upTo, spans: near } as const;
    const task = { kind: 'tree', ...work, number: 0, step } as const;
    found.push((await withTries(() => pool.run(task))) as TreeResults['uncovered']);
    from = end;
  }
  const lost = found.flatMap((one) => one.lost ?? []);
  const problems = found.flatMap(({ left }) => left.map(problemOfTile));
  return {
    lastRemoved: Math.max(0, ...found.map(({ lastRemoved }) => lastRemoved)),
    others: [...new Map(found.flatMap(({ others }) => others.map((tile) => [tile.file, tile]))).values()],
    problems: lost.length === 0 ? problems : [...problems, lostLeaves(file, lost[0]!, lost.at(-1)!)],
  };
}

/**
 * Make the tree anew, once every leaf is found, and sign it.
 * @param setAside given the path of a file that is in the way
 * @returns why it could not be done
 */
export async function rebuildTree(parts: RebuildParts, setAside: (file: string) => void): Promise<Problem | undefined> {
  const { pool, work, spans, durable } = parts;
  const auditor = new Auditor({
    ...{ pool, work, holes: new Holes(work.holes) },
    durable: () => durable,
    onKeyExposed: () => undefined, // told where it signs next, by a line to who runs the store
    catalog: {
      segments: spans,
      start: { floor: spans[0]?.firstSequence ?? 1 },
      holding: (sequence) => spans.findLast(({ firstSequence }) => firstSequence <= sequence)!,
      lastSequenceOf: ({ number }, last) => Math.min(last, spans.find((span) => span.number === number)!.lastSequence),
    },
  });
  const tiles = path.join(work.dir, TILE_DIR);
  for (const away = new Set<string>(); ; ) {
    try {
      await auditor.checkpoint();
      return undefined;
    } catch (error) {
      if (!isKeeperError(error, 'ERR_CORRUPT')) throw error;
      const { file, message, firstSequence, lastSequence } = error;
      // Those below it are what they should be, and it is computed of them.
      const isDerived = file.startsWith(tiles + path.sep) && !file.startsWith(path.join(tiles, '0') + path.sep);
      if (!isDerived || away.has(file)) {
        return problemOf('ERR_CORRUPT', message, file, undefined, firstSequence, lastSequence);
      }
      away.add(file);
      setAside(file);
    }
  }
}

/** What is wrong with a tile, for a report. */
export function problemOfTile({ why, file, place }: DamagedTile): Problem {
  const { firstSequence, lastSequence } = sequencesOf(place);
  return problemOf('ERR_CORRUPT', why, file, undefined, firstSequence, lastSequence);
}

function lostLeaves(file: string, first: number, last: number): Problem {
  const what =
    `no tile that is left has the digests of removed events, sequences ${first} to ${last}: ` +
    'bring keeperlog.tree and tile/ back from a backup, or move them away with keeperlog.key, and a new key signs a new tree';
  return problemOf('ERR_CORRUPT', what, file, undefined, first, last);
}
