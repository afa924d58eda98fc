/** What sealing takes and gives. */

/** How far sealing is, and what it has done. */
export interface SealReport {
  /** Segments that were sealed. */
  readonly segments: number;
  /** Bytes of their logs. */
  readonly rawBytes: number;
  /** Bytes of their sealed files. */
  readonly fileBytes: number;
  /** Bytes of the index files that were made: behind these, and of segments that were sealed before and had none. */
  readonly indexBytes: number;
  /** Sealed segments whose index file was missing, and could not be made: their queries take longer, until a later call makes it. */
  readonly indexesMissing: number;
}

/** Who is told how far sealing is, and may stop it. */
export interface SealOptions {
  /** Aborts between two slices, with ERR_ABORTED: the segments that were sealed by then stay so. */
  readonly signal?: AbortSignal;
  /** Called when a segment was sealed. */
  readonly onProgress?: (progress: SealReport) => void;
}
