/** What a user says to a backup and to a restore, and what they tell. */

/** How to back up, and who is told. */
export interface BackupOptions {
  /** Ends the backup between two slices, with ERR_ABORTED: what the directory held before is whole. */
  readonly signal?: AbortSignal;
  /** Called about once a MiB that is copied, and once a segment, on the caller's thread. */
  readonly onProgress?: (progress: BackupProgress) => void;
}

/** How to restore, and who is told. */
export interface RestoreOptions {
  /** Ends the restore between two slices, with ERR_ABORTED: the directory is empty again. */
  readonly signal?: AbortSignal;
  /** Called about once a MiB that is copied, and once a segment, on the caller's thread. */
  readonly onProgress?: (progress: BackupProgress) => void;
}

/** How far a backup, or a restore, is. */
export interface BackupProgress {
  /** Segments that are done. */
  readonly segments: number;
  /** Of so many. */
  readonly totalSegments: number;
  /** Bytes of segments that were copied, without what a backup had already. */
  readonly bytes: number;
  /** Of so many. */
  readonly totalBytes: number;
}

/** What a backup is, and what it took. */
export interface BackupReport {
  /** Counts the backups into this directory, from 1. */
  readonly number: number;
  /** The last sequence that it has. */
  readonly lastSequence: number;
  /** Segments in it. */
  readonly segments: number;
  /** Those of them that were copied now. */
  readonly copiedSegments: number;
  /** Those that an earlier backup has copied, and that have not changed. */
  readonly reusedSegments: number;
  /** Bytes of all files that it is made of, but for the hashes of the audit tree. */
  readonly bytes: number;
  /** Those of the files that were copied now. */
  readonly copiedBytes: number;
}

/** What was restored. */
export interface RestoreReport {
  /** 32 hex digits: the store's, as it was. */
  readonly storeId: string;
  /** Third part of every id, as it was. */
  readonly nodeId: string;
  /** The last sequence that there is. */
  readonly lastSequence: number;
  /** Segments. */
  readonly segments: number;
  /** Bytes that were copied, but for the hashes of the audit tree. */
  readonly bytes: number;
}
