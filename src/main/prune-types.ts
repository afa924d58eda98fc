/** What pruning takes and gives. */

/** What has gone. */
export interface PruneProgress {
  /** The lowest sequence that there is now. */
  readonly floor: number;
  /** Segments that are gone. */
  readonly segments: number;
  /** Bytes of their files, without those of their indexes. */
  readonly bytes: number;
}

/** What has gone, and why there is more than the limits allow, if there is. */
export interface PruneReport extends PruneProgress {
  /**
   * Why the oldest segment that is left stays, though a limit asks for it: it is not sealed, as the newest one never is, or somebody
   * reads it in this process. Null: no limit asks for it.
   */
  readonly left: 'unsealed' | 'being-read' | null;
  /** Age was not looked at, as the wall clock is in doubt: it has jumped while the store was open, or is behind the newest event. */
  readonly clockDoubted: boolean;
}

/** Who is told how far pruning is, and may stop it. */
export interface PruneOptions {
  /** Aborts between two slices, with ERR_ABORTED: the segments that were removed by then are gone. */
  readonly signal?: AbortSignal;
  /** Called when segments were removed. */
  readonly onProgress?: (progress: PruneProgress) => void;
}
