/** What the pool is asked about the audit tree, beside letting it grow. */
import type { DamagedTile, TilePlace } from './audit/check.js';
import type { Uncovered } from './audit/uncovered.js';

/** A segment, and the sequences that it has. */
export interface SegmentSpan {
  readonly number: number;
  readonly firstSequence: number;
  readonly lastSequence: number;
}

export type TreeStep =
  /** Whether the edge, and some full tiles with those above them, lead to the root that was signed. */
  | {
      readonly step: 'check';
      /** The number of a tile of the lowest level. */
      readonly from: number;
      /** Of the one behind the last; more than there are is all. */
      readonly end: number;
    }
  /** Make a tile anew that does not verify. */
  | {
      readonly step: 'mend';
      readonly place: TilePlace;
      /** The segments whose records are below the tile. */
      readonly spans: readonly SegmentSpan[];
      /** Only tell whether it can be. */
      readonly dryRun: boolean;
    }
  /** Whether what no checkpoint covers can be computed. */
  | {
      readonly step: 'uncovered';
      /** Leaves that the newest checkpoint covers. */
      readonly covered: number;
      /** The number of a tile of the lowest level. */
      readonly from: number;
      /** The last sequence that is looked at. */
      readonly upTo: number;
      readonly spans: readonly SegmentSpan[];
    };

export interface TreeResults {
  readonly check: {
    /** Leaves that the newest checkpoint covers; zero where nothing was ever signed. */
    readonly size: number;
    /** Where to go on; undefined where the edge is damaged, without which nothing is told of the rest. */
    readonly to: number | undefined;
    readonly damaged: readonly DamagedTile[];
  };
  /** Whether it leads to the root that was signed. */
  readonly mend: boolean;
  readonly uncovered: Uncovered;
}
