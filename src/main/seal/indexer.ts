/**
 * Making the index files of sealed segments, in the pool, a step at a time: behind their sealing, and where a query finds that one is
 * missing or does not verify. An index is derived: what does not work here costs queries time, and nothing else.
 */
import { indexFile, sealedNumber, segmentFile } from '../../shared/format/file-names.js';
import type { GatheredRuns, IndexWork } from '../../shared/index-tasks.js';
import { KeeperError } from '../../shared/portable/errors.js';
import { isFailedSync, type ReadStorage } from '../../shared/storage.js';
import { IndexJob } from './index-job.js';
import type { Between, Pace } from './pace.js';
import { type Pool, withTries } from './pool.js';

export interface IndexerParts {
  readonly storage: ReadStorage;
  readonly pool: Pool;
  /** The same for every segment. */
  readonly work: Omit<IndexWork, 'number'>;
  readonly pace: Pace;
  /** Holds a segment while it is read; undefined where there is none any more. */
  lease(number: number): { moveTo(): void; end(): void } | undefined;
  /** A segment has an index file that it had not before. */
  readonly onMade: (number: number) => void;
  /** Told of an index file that could not be made. */
  readonly onFailure: (error: unknown) => void;
}

export class Indexer {
  readonly #parts: IndexerParts;
  #last: Promise<unknown> = Promise.resolve();
  /** Of what is under way, or is to be. */
  readonly #making = new Map<number, Promise<number | undefined>>();
  /** Of which making an index has failed: that is not tried again before the store is opened again, unless it is asked for. */
  readonly #failed = new Set<number>();
  readonly #end = new AbortController();

  constructor(parts: IndexerParts) {
    this.#parts = parts;
  }

  /** The numbers of the sealed segments without an index file, oldest first. */
  missing(): number[] {
    const { storage, work } = this.#parts;
    const names = new Set(storage.list(work.dir));
    const isWithout = (number: number): boolean => !names.has(segmentFile(number)) && !names.has(indexFile(number));
    const sealed = [...names].map(sealedNumber).filter((number) => number !== undefined);
    return sealed.filter(isWithout).sort((one, other) => one - other);
  }

  /**
   * Make the index file of a segment, behind what is under way; or wait for who does so already.
   * @param gathered what sealing has gathered of the segment: it is not read once more then
   * @returns bytes of the file, 0 where there is none and none is wanted any more; undefined where it could not be made
   * @throws what the check between its steps throws; anything else is told of, and left
   */
  make(number: number, between: Between, gathered?: GatheredRuns): Promise<number | undefined> {
    const making = this.#making.get(number);
    if (making !== undefined) return making;
    const run = this.#last.then(() => this.#make(number, between, gathered));
    this.#making.set(number, run);
    this.#last = run.catch(() => undefined); // whoever asked for it is told
    return run;
  }

  /** A query would have had use for the index file of a segment, and there is none that verifies. */
  makeSoon(number: number): void {
    const { signal } = this.#end;
    if (signal.aborted || this.#failed.has(number)) return;
    const check = (): void => {
      if (signal.aborted) throw new KeeperError('ERR_CLOSED', 'the store was closed while a segment was being indexed');
    };
    this.make(number, { check, rest: (workedMs) => this.#parts.pace.rest(workedMs, signal) }).catch(() => undefined); // the store is closed, or whoever else asked has ended it
  }

  /** Do other work behind what is under way, while no index is made. */
  alone<T>(work: () => Promise<T>): Promise<T> {
    const run = this.#last.then(work);
    this.#last = run.catch(() => undefined); // whoever asked for it is told
    return run;
  }

  async #make(
    number: number,
    { check, rest }: Between,
    gathered: GatheredRuns | undefined,
  ): Promise<number | undefined> {
    const lease = this.#parts.lease(number);
    let stop: { readonly error: unknown } | undefined;
    const checked = (): void => {
      lease?.moveTo();
      try {
        check();
      } catch (error) {
        stop = { error };
        throw error;
      }
    };
    const job = (): IndexJob =>
      new IndexJob(this.#parts.pool, { ...this.#parts.work, number }, { check: checked, rest });
    try {
      if (lease === undefined) {
        if (gathered !== undefined) await job().discard();
        return 0;
      }
      const written = gathered && (await this.#written(job(), gathered, () => stop !== undefined));
      const bytes = written ?? (await withTries(() => job().run()));
      this.#failed.delete(number);
      this.#parts.onMade(number);
      return bytes;
    } catch (error) {
      if (stop !== undefined) throw stop.error;
      this.#failed.add(number);
      if (!this.#end.signal.aborted) this.#parts.onFailure(error);
      return undefined;
    } finally {
      lease?.end();
      this.#making.delete(number);
    }
  }

  /** Bytes of an index that was made of what was gathered: that may be damaged, or gone with a thread, and then the segment is read again. */
  async #written(job: IndexJob, gathered: GatheredRuns, isStopped: () => boolean): Promise<number | undefined> {
    try {
      return await job.write(gathered);
    } catch (error) {
      if (isStopped() || isFailedSync(error)) throw error;
      return undefined;
    }
  }

  /** Stop between two steps. */
  async close(): Promise<void> {
    this.#end.abort();
    await this.#last;
  }
}
