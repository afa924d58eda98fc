/** What sealing takes and gives. */

/** How far sealing is, and what it has done. */
export interface SealReport {
  /** Segments that were sealed. */
  readonly segments: number;
  /** Bytes of their logs. */
  readonly rawBytes: number;
  /** Bytes of their sealed files. */
  readonly fileBytes: number;
}

/** Who is told how far sealing is, and may stop it. */
export interface SealOptions {
  /** Aborts between two slices, with ERR_ABORTED: the segments that were sealed by then stay so. */
  readonly signal?: AbortSignal;
  /** Called when a segment was sealed. */
  readonly onProgress?: (progress: SealReport) => void;
}
