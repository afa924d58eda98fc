/** What the thread that copies is asked for, and what it tells. One thread does one job. */
import type { BackupProgress, BackupReport, RestoreReport } from './backup-report.js';
import type { WireError } from './portable/errors.js';

export interface BackupJob {
  readonly kind: 'backup';
  /** Of the store. */
  readonly dir: string;
  /** Of the backup; it is locked. */
  readonly to: string;
  /** What is to be in it at least: the last sequence that was durable when it was asked for. */
  readonly durable: number;
}

export interface RestoreJob {
  readonly kind: 'restore';
  /** Of the backup. */
  readonly from: string;
  /** Of the store; it is locked. */
  readonly dir: string;
}

export type CopyJob = BackupJob | RestoreJob;

export interface CopyReports {
  readonly backup: BackupReport;
  readonly restore: RestoreReport;
}

/** Who is told how far a job is, and may end it. */
export interface CopyHooks {
  /** Between two slices. @throws where the job is to end */
  pause(): void | Promise<void>;
  onProgress(progress: BackupProgress): void;
  /** Files of the store that a backup holds open at most. */
  readonly mostHeld?: number;
}

/** What the thread is told while it works, in shared words: zero, or not. */
export const COPY_WORD = {
  /** The job is to end. Written and notified by the caller's thread, waited for by the one that copies. */
  stop: 0,
  /** Somebody appends: it is to rest between its slices. */
  busy: 1,
} as const;

/** What the thread begins with. */
export interface CopyData {
  readonly job: CopyJob;
  readonly control: Int32Array;
}

/** What it tells: progress, any number of times, then its answer. */
export type FromCopy =
  | { readonly kind: 'progress'; readonly progress: BackupProgress }
  | { readonly kind: 'done'; readonly report: CopyReports[CopyJob['kind']] }
  | { readonly kind: 'failed'; readonly error: WireError };
