/** What a user says to a repair, and what it tells. */
import type { SequenceRange } from '../shared/portable/log.js';
import type { Problem } from '../shared/problem.js';

/** How to repair, and who is told. */
export interface RepairOptions {
  /** Only look, and report what would be done. Default false. */
  readonly dryRun?: boolean;
  /** Ends the repair with ERR_ABORTED; until the old files are replaced nothing is changed. */
  readonly signal?: AbortSignal;
  /** Called after each segment that was looked at, on the caller's thread. */
  readonly onProgress?: (progress: RepairProgress) => void;
}

/** Which store to repair, and how. */
export interface RepairStoreOptions extends RepairOptions {
  /** The store's directory. */
  readonly dir: string;
  /** The store's node id, wanted where the manifest is lost, which alone knows it: the third part of any event's id. */
  readonly nodeId?: string;
}

/** How far the look at the log is, which takes most of the time. */
export interface RepairProgress {
  /** Segments looked at. */
  readonly segments: number;
  /** Their bytes. */
  readonly bytes: number;
}

/** What a repair found and did. */
export interface RepairReport {
  /** Whether there was anything to repair. A torn end is not: the next opening sets it aside. */
  readonly damaged: boolean;
  /** Whether it was repaired: false without damage, and for a dry run. */
  readonly repaired: boolean;
  /** Segments of the log. */
  readonly segments: number;
  /** Files that were written anew, or would be: the audit tree's own, where the key that has signed it is gone, by the next checkpoint. */
  readonly rewritten: readonly string[];
  /** The old files under their new names; empty for a dry run. */
  readonly kept: readonly string[];
  /** Events that were taken one by one out of what does not verify as a whole. */
  readonly salvaged: number;
  /**
   * Files that stay damaged: a base of which no checkpoint has what it had, without which the store is not opened for writing; tiles of the
   * audit tree whose hashes are those of events that were removed, without which these, and their neighbours, cannot be proven; the
   * tree's own, where it is lost and no tile has these hashes.
   */
  readonly unrepaired: readonly string[];
  /** Why these stay damaged, and what is hit. */
  readonly problems: readonly Problem[];
  /** Sequences that are given up now, of which nothing is left that verifies. */
  readonly lost: readonly SequenceRange[];
}
