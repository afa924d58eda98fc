/** Backups of a store that is open, for writing or for reading. The copying is done by a thread of its own. */

import type { BackupOptions, BackupProgress, BackupReport } from '../shared/backup-report.js';
import { refuseNoBackup } from '../shared/no-store.js';
import { checkWorkOptions, invalid } from '../shared/options.js';
import { aborted, isKeeperError } from '../shared/portable/errors.js';
import { hinted } from '../shared/storage-error.js';
import { checkDir, isWithin, refuseFile, withLock } from './copy-dirs.js';
import type { Lease } from './read/leases.js';
import type { Runtime } from './runtime.js';
import { closedError } from './store-errors.js';

const DIR_HINT =
  'The store is as it was. Choose another directory for the backup, or look at who may write there, and at its disk.';

export class Backups {
  readonly #runtime: Runtime;
  /** Of the store. */
  readonly #dir: string;
  /** Holds what there is in the log. */
  readonly #lease: () => Lease;
  readonly #end = new AbortController();
  readonly #running = new Set<Promise<unknown>>();

  constructor(runtime: Runtime, dir: string, lease: () => Lease) {
    this.#runtime = runtime;
    this.#dir = dir;
    this.#lease = lease;
  }

  /** @param durable the last sequence that is durable now, asked for once the options are in order */
  async run(to: string, options: BackupOptions, durable: () => number): Promise<BackupReport> {
    checkOptions(to, options);
    const { signal } = options;
    if (signal?.aborted === true) throw aborted(signal, 'the backup');
    return this.#run(to, options, durable).catch((error: unknown) => {
      // What has failed while it was copied has said so: this is about the directory.
      throw hinted(error, DIR_HINT);
    });
  }

  async #run(to: string, options: BackupOptions, durable: () => number): Promise<BackupReport> {
    const { storage } = this.#runtime;
    refuseFile(storage, 'dir', to);
    if (isWithin(storage, to, this.#dir)) throw invalid('dir', `is the store's own directory, or lies in it: ${to}`);
    // Before the lock, which would leave its file in what is none of ours.
    if (storage.exists(to)) refuseNoBackup(storage, to);
    const run = withLock(this.#runtime, to, () => this.#copy(to, options, durable));
    this.#running.add(run);
    try {
      return await run;
    } finally {
      this.#running.delete(run);
    }
  }

  /** Stop between two slices. */
  async close(): Promise<void> {
    this.#end.abort();
    await Promise.allSettled(this.#running);
  }

  async #copy(to: string, { signal, onProgress }: BackupOptions, durableNow: () => number): Promise<BackupReport> {
    const durable = durableNow();
    const either = signal === undefined ? this.#end.signal : AbortSignal.any([this.#end.signal, signal]);
    const lease = this.#lease();
    const tell = (progress: BackupProgress): void => {
      lease.moveTo();
      onProgress?.(progress);
    };
    const control = { signal: either, onProgress: tell, isBusy: busyness(durable, durableNow) };
    try {
      return await this.#runtime.copy({ kind: 'backup', dir: this.#dir, to, durable }, control);
    } catch (error) {
      if (!isKeeperError(error, 'ERR_ABORTED')) throw error;
      throw signal?.aborted === true ? aborted(signal, 'the backup') : closedError();
    } finally {
      lease.end();
    }
  }
}

/** Whether anything has become durable since it was asked last. */
function busyness(durable: number, durableNow: () => number): () => boolean {
  let seen = durable;
  return () => {
    try {
      const before = seen;
      seen = durableNow();
      return seen !== before;
    } catch {
      return false; // it is about pace alone: whoever reads what is new is told of it
    }
  };
}

function checkOptions(to: string, options: BackupOptions): void {
  checkDir('dir', to);
  checkWorkOptions(options);
}
