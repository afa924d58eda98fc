/** What compaction takes and gives. */

/** How far a compaction is. */
export interface CompactProgress {
  /** Segments that were written anew. */
  readonly segments: number;
  /** Deleted events that are gone. */
  readonly events: number;
  /** By so much their files, and those of their indexes, are smaller. */
  readonly freedBytes: number;
}

/** What a compaction has done, and what it has left. */
export interface CompactReport extends CompactProgress {
  /** Deleted events that are still on the disk, and go with a later compaction. */
  readonly later: {
    /** The idempotency key of their call is still known: it may be repeated. */
    readonly keys: number;
    /** They are in the newest segment, and there was no space for another one, in which the log would go on. */
    readonly unsealed: number;
  };
}

/** Who is told how far a compaction is, and may stop it. */
export interface CompactOptions {
  /** Aborts between two slices, with ERR_ABORTED: the segments that were written anew by then stay so. */
  readonly signal?: AbortSignal;
  /** Called when a segment was written anew. */
  readonly onProgress?: (progress: CompactProgress) => void;
}
