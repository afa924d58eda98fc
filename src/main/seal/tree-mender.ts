/** Goes through the tiles of the audit tree, a slice at a time, and has those mended that do not verify. */
import type { DamagedTile } from '../../shared/audit/check.js';
import { sequencesOf } from '../../shared/audit/check.js';
import { TILE_WIDTH } from '../../shared/format/tile.js';
import type { SealedWork } from '../../shared/seal-tasks.js';
import type { SegmentSpan, TreeResults, TreeStep } from '../../shared/tree-tasks.js';
import { type Pool, withTries } from './pool.js';

export interface TreeMenderParts {
  readonly pool: Pool;
  /** The same for every segment. */
  readonly work: Omit<SealedWork, 'number'>;
  /** The segments of the log, ascending. */
  spans(): readonly SegmentSpan[];
  /** Throws where nothing more is to be done. */
  check(): void;
}

export interface TreeMended {
  /** Tiles that are made anew, or, in a dry run, would be. */
  readonly mended: readonly DamagedTile[];
  /** Tiles of which nothing is left that leads to the root that was signed. */
  readonly left: readonly DamagedTile[];
  /** Leaves that the newest checkpoint covers. */
  readonly size: number;
}

export class TreeMender {
  readonly #parts: TreeMenderParts;

  constructor(parts: TreeMenderParts) {
    this.#parts = parts;
  }

  /**
   * Mend what is over some sequences, and the edge.
   * @throws ERR_CORRUPT where the tree's file does not verify; ERR_STORAGE
   */
  async mend(firstSequence: number, lastSequence: number, dryRun = false): Promise<TreeMended> {
    const mended = new Map<string, DamagedTile>();
    const left = new Map<string, DamagedTile>();
    const end = Math.ceil(lastSequence / TILE_WIDTH);
    let from: number | undefined = Math.floor((firstSequence - 1) / TILE_WIDTH);
    for (;;) {
      const { to, damaged, size }: TreeResults['check'] = await this.#run({ step: 'check', from, end });
      let isNew = false;
      for (const tile of damaged.filter(({ file }) => !left.has(file))) {
        // What was mended and is damaged again is nothing to go on with.
        const done = !mended.has(tile.file) && (await this.#mendOne(tile, dryRun));
        (done ? mended : left).set(tile.file, tile);
        isNew ||= done && !dryRun;
      }
      // Below a tile that was mended there may be others.
      if (isNew) continue;
      if (to === undefined || to >= end) return { mended: [...mended.values()], left: [...left.values()], size };
      from = to;
    }
  }

  #mendOne({ place }: DamagedTile, dryRun: boolean): Promise<boolean> {
    const { firstSequence, lastSequence } = sequencesOf(place);
    const spans = this.#parts
      .spans()
      .filter((span) => span.firstSequence <= lastSequence && span.lastSequence >= firstSequence);
    return this.#run({ step: 'mend', place, spans, dryRun });
  }

  async #run<K extends TreeStep['step']>(step: Extract<TreeStep, { step: K }>): Promise<TreeResults[K]> {
    this.#parts.check();
    const { pool, work } = this.#parts;
    const done = await withTries(() => pool.run({ kind: 'tree', ...work, number: 0, step: step as TreeStep }));
    return done as TreeResults[K];
  }
}
