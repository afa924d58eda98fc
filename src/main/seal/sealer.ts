/**
 * Sealing: each full segment is digested, compressed and written into a file of its own, read back, and put in the raw one's
 * place. The work is done by the pool, a slice at a time; here is its order.
 */
import type { GatheredRuns } from '../../shared/index-tasks.js';
import { checkWorkOptions } from '../../shared/options.js';
import { aborted, isKeeperError, KeeperError } from '../../shared/portable/errors.js';
import type { SealedWork } from '../../shared/seal-tasks.js';
import { orAborted } from './or-aborted.js';
import type { Between, Pace } from './pace.js';
import { type Pool, withTries } from './pool.js';
import { type Sealed, SealJob } from './seal-job.js';
import type { SealOptions, SealReport } from './seal-types.js';
import { UntilSyncFails } from './until-sync-fails.js';

export interface SealerParts {
  readonly pool: Pool;
  readonly catalog: {
    /** The numbers of the segments that are full and not sealed, oldest first. */
    full(): readonly number[];
    /** A segment is in its sealed file by now. */
    moved(number: number): void;
  };
  /** The same for every segment. */
  readonly work: Omit<SealedWork, 'number'>;
  readonly nodeId: string;
  readonly indexer: {
    /** The numbers of the sealed segments without an index file. */
    missing(): readonly number[];
    /**
     * Make an index file, of what was gathered for it where that is given. What does not work is told of by itself; only what its check
     * throws is thrown.
     * @returns its bytes; undefined where it could not be made
     */
    make(number: number, between: Between, gathered?: GatheredRuns): Promise<number | undefined>;
    close(): Promise<void>;
  };
  readonly pace: Pace;
}

export class Sealer {
  readonly #parts: SealerParts;
  readonly #end = new AbortController();
  /** Ends a rest, and is aborted while somebody waits. */
  #hurry = new AbortController();
  #waiting = 0;
  #last: Promise<unknown> = Promise.resolve();
  readonly #syncs = new UntilSyncFails();
  /** Whether the background is to look what is full. */
  #isDue = false;
  /** What the background leaves alone: it did not verify, and will not when it is tried again. */
  readonly #damaged = new Set<number>();

  constructor(parts: SealerParts) {
    this.#parts = parts;
  }

  /**
   * Seal what is full. One after the other, where several ask for it.
   * @throws ERR_INVALID_OPTIONS; ERR_CORRUPT where a segment does not verify; ERR_STORAGE, for good where it was a sync; ERR_ABORTED,
   *   ERR_CLOSED: what was sealed before stays so
   */
  async seal(options: SealOptions): Promise<SealReport> {
    checkWorkOptions(options);
    return this.alone(options.signal, 'sealing', () => this.#seal(options));
  }

  /**
   * Do other work on the files of sealed segments, while none is sealed.
   * @param what it is, for who aborts it
   * @throws what it throws; ERR_STORAGE for good where that was a failed sync; ERR_ABORTED
   */
  async alone<T>(signal: AbortSignal | undefined, what: string, work: (between: Between) => Promise<T>): Promise<T> {
    this.#waiting++;
    this.#hurry.abort();
    const run = this.#last
      .then(() => this.#syncs.attempt(() => work(this.#between(signal, what))))
      .finally(() => this.#isDone());
    this.#last = run.catch(() => undefined); // whoever asked for it is told
    return await orAborted(run, signal, what);
  }

  /**
   * Seal what is full, after what is under way, while everything else goes on.
   * @param onFailure told of what does not work, which is tried again the next time unless it is damaged
   */
  sealSoon(onFailure: (error: unknown) => void): void {
    if (this.#isDue || this.#syncs.hasFailed || this.#end.signal.aborted) return;
    this.#isDue = true;
    this.#last = this.#last.then(async () => {
      this.#isDue = false;
      try {
        await this.#sealIntact(onFailure);
      } catch (error) {
        if (!this.#end.signal.aborted) onFailure(error);
      }
    });
  }

  /** Stop between two slices. */
  async close(): Promise<void> {
    this.#end.abort();
    this.#hurry.abort();
    await this.#last;
    await this.#parts.indexer.close();
  }

  #isDone(): void {
    this.#waiting--;
    if (this.#waiting === 0 && !this.#end.signal.aborted) this.#hurry = new AbortController();
  }

  async #seal({ signal, onProgress }: SealOptions): Promise<SealReport> {
    const report = { segments: 0, rawBytes: 0, fileBytes: 0, indexBytes: 0, indexesMissing: 0 };
    const indexed = (bytes: number | undefined): void => {
      if (bytes === undefined) report.indexesMissing++;
      else report.indexBytes += bytes;
    };
    const { indexer } = this.#parts;
    const withoutIndex = indexer.missing();
    for (const number of this.#parts.catalog.full()) {
      const sealed = await this.#sealOne(number, signal);
      if (sealed === undefined) continue;
      report.segments++;
      report.rawBytes += sealed.rawBytes;
      report.fileBytes += sealed.fileBytes;
      indexed(sealed.indexBytes);
      onProgress?.({ ...report });
    }
    for (const number of withoutIndex) {
      indexed(await indexer.make(number, this.#between(signal, 'sealing')));
    }
    return report;
  }

  async #sealIntact(onDamage: (error: unknown) => void): Promise<void> {
    for (const number of this.#parts.catalog.full()) {
      if (this.#damaged.has(number)) continue;
      // Somebody waits, who seals all of it, or ends it.
      if (this.#waiting > 0) return this.sealSoon(onDamage);
      try {
        await this.#sealOne(number, undefined);
      } catch (error) {
        if (!isKeeperError(error, 'ERR_CORRUPT')) throw error;
        onDamage(error);
        this.#damaged.add(number);
      }
    }
  }

  /** Undefined where there is nothing to seal. */
  async #sealOne(number: number, signal: AbortSignal | undefined): Promise<Indexed | undefined> {
    const { pool, catalog, work, nodeId, indexer } = this.#parts;
    const between = this.#between(signal, 'sealing');
    const job = new SealJob(pool, { ...work, number }, nodeId, between);
    return this.#syncs.attempt(async () => {
      const sealed = await withTries(() => job.run());
      if (sealed === undefined) return undefined;
      catalog.moved(number);
      return { ...sealed, indexBytes: await indexer.make(number, between, sealed.gathered) };
    });
  }

  #between(signal: AbortSignal | undefined, what: string): Between {
    return {
      check: () => this.#check(signal, what),
      rest: (workedMs) => this.#parts.pace.rest(workedMs, this.#hurry.signal),
    };
  }

  #check(signal: AbortSignal | undefined, what: string): void {
    if (this.#end.signal.aborted) throw new KeeperError('ERR_CLOSED', `the store was closed during ${what}`);
    if (signal?.aborted === true) throw aborted(signal, what);
  }
}

interface Indexed extends Sealed {
  /** Undefined where it could not be made. */
  readonly indexBytes: number | undefined;
}
