/**
 * Sealing: each full segment is digested, compressed and written into a file of its own, read back, and put in the raw one's
 * place. The work is done by the pool, a slice at a time; here is its order.
 */
import { DIGEST_BYTES, SEALED_HEADER_BYTES } from '../../shared/format/sealed.js';
import type { GatheredRuns, Run } from '../../shared/index-tasks.js';
import { checkWorkOptions } from '../../shared/options.js';
import { aborted, isKeeperError, KeeperError } from '../../shared/portable/errors.js';
import type { Packed, SealedRange, SealedWork, SealResults, SealTask, SealTaskOf } from '../../shared/seal-tasks.js';
import { isFailedSync } from '../../shared/storage.js';
import { orAborted } from './or-aborted.js';
import type { Between, Pace } from './pace.js';
import { type Pool, withTries } from './pool.js';
import type { SealOptions, SealReport } from './seal-types.js';

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
     * throws is thrown. Resolves with its bytes.
     */
    make(number: number, between: Between, gathered?: GatheredRuns): Promise<number>;
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
  /** A sync that has failed: what it was about is not known, and is not asked again. */
  #failure: KeeperError | undefined;
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
      .then(() => this.#attempt(() => work(this.#between(signal, what))))
      .finally(() => this.#isDone());
    this.#last = run.catch(() => undefined); // whoever asked for it is told
    return await orAborted(run, signal, what);
  }

  /**
   * Seal what is full, after what is under way, while everything else goes on.
   * @param onFailure told of what does not work, which is tried again the next time unless it is damaged
   */
  sealSoon(onFailure: (error: unknown) => void): void {
    if (this.#isDue || this.#failure !== undefined || this.#end.signal.aborted) return;
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
    const report = { segments: 0, rawBytes: 0, fileBytes: 0, indexBytes: 0 };
    const { indexer } = this.#parts;
    const withoutIndex = indexer.missing();
    for (const number of this.#parts.catalog.full()) {
      const sealed = await this.#sealOne(number, signal);
      if (sealed === undefined) continue;
      report.segments++;
      report.rawBytes += sealed.rawBytes;
      report.fileBytes += sealed.fileBytes;
      report.indexBytes += sealed.indexBytes;
      onProgress?.({ ...report });
    }
    for (const number of withoutIndex) {
      report.indexBytes += await indexer.make(number, this.#between(signal, 'sealing'));
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
    return this.#attempt(async () => {
      const sealed = await withTries(() => job.run());
      if (sealed === undefined) return undefined;
      catalog.moved(number);
      return { ...sealed, indexBytes: await indexer.make(number, between, sealed.gathered) };
    });
  }

  async #attempt<T>(work: () => Promise<T>): Promise<T> {
    if (this.#failure !== undefined) throw this.#failure;
    try {
      return await work();
    } catch (error) {
      if (isFailedSync(error)) this.#failure = error;
      throw error;
    }
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

interface Sealed {
  readonly rawBytes: number;
  readonly fileBytes: number;
  /** For the index; undefined where that did not work. */
  readonly gathered: GatheredRuns | undefined;
}

/** What is known once all frames are packed. */
interface AllPacked {
  readonly to: Packed;
  readonly table: Uint8Array;
  readonly digests: readonly Uint8Array[];
  readonly runs: readonly Run[];
  readonly isCompacted: boolean;
}

interface Indexed extends Sealed {
  readonly indexBytes: number;
}

/** The sealing of one segment. */
class SealJob {
  readonly #pool: Pool;
  readonly #work: SealedWork;
  readonly #nodeId: string;
  readonly #between: Between;

  constructor(pool: Pool, work: SealedWork, nodeId: string, between: Between) {
    this.#pool = pool;
    this.#work = work;
    this.#nodeId = nodeId;
    this.#between = between;
  }

  /** Undefined where there is nothing to seal. */
  async run(): Promise<Sealed | undefined> {
    this.#between.check();
    const range = await this.#pool.run({ kind: 'begin', ...this.#work });
    if (range === undefined) return undefined;
    try {
      const packed = await this.#pack(range);
      const gathered = this.#gathered(range, packed);
      await this.#assemble(range, packed);
      await this.#readBack();
      const { fileBytes } = await this.#pool.run({ kind: 'commit', ...this.#work });
      return { rawBytes: packed.to.frames.offset, fileBytes, gathered };
    } catch (error) {
      // What stays is removed by the next opening. What counts is why it was in vain.
      await this.#pool.run({ kind: 'discard', ...this.#work }).catch((left) => process.emitWarning(left));
      throw error;
    }
  }

  async #pack(range: SealedRange): Promise<AllPacked> {
    const entries: Uint8Array[] = [];
    const digests: Uint8Array[] = [];
    const runs: Run[] = [];
    let isCompacted = false;
    let to: Packed = { frames: range.start, offset: SEALED_HEADER_BYTES, runs: 0 };
    do {
      const packed = await this.#slice({ kind: 'pack', ...this.#work, range, at: to, nodeId: this.#nodeId });
      entries.push(packed.entries);
      digests.push(packed.digests);
      if (packed.run !== undefined) runs.push(packed.run);
      isCompacted ||= packed.isCompacted;
      to = packed.to;
    } while (to.frames.sequence <= range.lastSequence);
    return { to, table: Buffer.concat(entries), digests, runs, isCompacted };
  }

  #gathered({ firstSequence, lastSequence }: SealedRange, packed: AllPacked): GatheredRuns | undefined {
    const { to, digests, runs } = packed;
    if (to.runs === undefined) return undefined;
    const { number } = this.#work;
    const { offset: rawBytes, previous: lastFrame } = to.frames;
    return { segment: { number, firstSequence, count: countOf(digests), rawBytes, lastFrame }, lastSequence, runs };
  }

  async #assemble(range: SealedRange, { to, table, digests, isCompacted }: AllPacked): Promise<void> {
    const storedBytes = to.offset - SEALED_HEADER_BYTES;
    const end = to.frames;
    await this.#slice({ kind: 'assemble', ...this.#work, range, end, storedBytes, table, digests, isCompacted });
  }

  /** Nothing is replaced by what does not read back. */
  async #readBack(): Promise<void> {
    for (let from = 0; ; ) {
      const compared = await this.#slice({ kind: 'compare', ...this.#work, from });
      if (compared === undefined) break;
      if (compared.isLast) return;
      from = compared.to;
    }
    throw new KeeperError('ERR_STORAGE', `segment ${this.#work.number}, sealed, does not read back as it was written`, {
      errno: 'EIO',
      syscall: 'read',
      hint: 'The raw segment is as it was. Look at the disk.',
    });
  }

  async #slice<K extends SealTask['kind']>(task: SealTaskOf<K>): Promise<SealResults[K]> {
    this.#between.check();
    let tookMs = 0;
    const result = await this.#pool.run(task, (ms) => {
      tookMs = ms;
    });
    await this.#between.rest(tookMs);
    return result;
  }
}

function countOf(digests: readonly Uint8Array[]): number {
  return digests.reduce((sum, { length }) => sum + length, 0) / DIGEST_BYTES;
}
