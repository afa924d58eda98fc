/**
 * Making the index files of sealed segments, in the pool, a step at a time: behind their sealing, and where a query finds that one is
 * missing or does not verify. An index is derived: what does not work here costs queries time, and nothing else.
 */

import path from 'node:path';
import { corrupt } from '../../shared/damage.js';
import { indexFile, sealedFile, sealedNumber, segmentFile } from '../../shared/format/file-names.js';
import { sameChecksum } from '../../shared/format/frame.js';
import { type FieldIndex, INDEX_HEADER_BYTES, INDEXED } from '../../shared/format/index-file.js';
import type { BlockEntry } from '../../shared/format/index-tree.js';
import { RECORD_ALIGNMENT } from '../../shared/format/record.js';
import type {
  IndexRange,
  IndexResults,
  IndexStep,
  IndexStepOf,
  IndexWork,
  Run,
  RunPosition,
} from '../../shared/index-tasks.js';
import { KeeperError } from '../../shared/portable/errors.js';
import type { PostedField } from '../../shared/portable/query/narrow.js';
import type { ReadStorage } from '../../shared/storage.js';
import { type Between, Pace } from './pace.js';
import { type Pool, withTries } from './pool.js';

export interface IndexerParts {
  readonly storage: ReadStorage;
  readonly pool: Pool;
  /** The same for every segment. */
  readonly work: Omit<IndexWork, 'number'>;
  /** The last durable sequence. */
  durable(): number;
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
  readonly #making = new Map<number, Promise<void>>();
  /** Of which making an index has failed: that is not tried again before the store is opened again, unless it is asked for. */
  readonly #failed = new Set<number>();
  readonly #pace: Pace;
  readonly #end = new AbortController();

  constructor(parts: IndexerParts) {
    this.#parts = parts;
    this.#pace = new Pace(() => parts.durable());
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
   * @throws what the check between its steps throws; anything else is told of, and left
   */
  make(number: number, between: Between): Promise<void> {
    const making = this.#making.get(number);
    if (making !== undefined) return making;
    const run = this.#last.then(() => this.#make(number, between));
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
    this.make(number, { check, rest: (workedMs) => this.#pace.rest(workedMs, signal) }).catch(() => undefined); // the store is closed, or whoever else asked has ended it
  }

  /** Do other work behind what is under way, while no index is made. */
  alone<T>(work: () => Promise<T>): Promise<T> {
    const run = this.#last.then(work);
    this.#last = run.catch(() => undefined); // whoever asked for it is told
    return run;
  }

  async #make(number: number, { check, rest }: Between): Promise<void> {
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
    try {
      if (lease === undefined) return;
      await withTries(() =>
        new IndexJob(this.#parts.pool, { ...this.#parts.work, number }, { check: checked, rest }).run(),
      );
      this.#failed.delete(number);
      this.#parts.onMade(number);
    } catch (error) {
      if (stop !== undefined) throw stop.error;
      this.#failed.add(number);
      if (!this.#end.signal.aborted) this.#parts.onFailure(error);
    } finally {
      lease?.end();
      this.#making.delete(number);
    }
  }

  /** Stop between two steps. */
  async close(): Promise<void> {
    this.#end.abort();
    await this.#last;
  }
}

/** The making of one index file. */
class IndexJob {
  readonly #pool: Pool;
  readonly #work: IndexWork;
  readonly #between: Between;
  readonly #runs: Run[] = [];
  /** Where the file goes on. */
  #offset = INDEX_HEADER_BYTES;

  constructor(pool: Pool, work: IndexWork, between: Between) {
    this.#pool = pool;
    this.#work = work;
    this.#between = between;
  }

  async run(): Promise<void> {
    const range = await this.#step({ step: 'begin' });
    if (range === undefined) return;
    try {
      await this.#takeRuns(range);
      await this.#write(range);
    } catch (error) {
      // What stays is removed by the next opening. What counts is why it was in vain.
      await this.#pool
        .run({ kind: 'index', ...this.#work, step: { step: 'discard' } })
        .catch((left) => process.emitWarning(left));
      throw error;
    }
  }

  async #takeRuns(range: IndexRange): Promise<void> {
    let [from, offset] = [range.start, 0];
    do {
      const taken = await this.#step({ step: 'run', range, from, offset });
      this.#runs.push(taken.run);
      [from, offset] = [taken.to, taken.offset];
    } while (from.sequence <= range.lastSequence);
    const { rawBytes, lastFrame, count } = range.segment;
    const records = this.#runs.reduce((sum, run) => sum + run.records, 0);
    if (from.offset === rawBytes && sameChecksum(from.previous, lastFrame) && records === count) return;
    const file = path.join(this.#work.dir, sealedFile(this.#work.number));
    throw corrupt(file, from.offset, 'the sealed segment does not end as its header says', {
      firstSequence: range.segment.firstSequence,
      lastSequence: range.lastSequence,
    });
  }

  async #write({ segment, lastSequence }: IndexRange): Promise<void> {
    const places = lastSequence - segment.firstSequence + 1;
    const end = Uint32Array.of(segment.rawBytes / RECORD_ALIGNMENT);
    const offsets = [...this.#runs.map((run) => run.offsets), end];
    const { directoryOffset, offset } = await this.#step({ step: 'offsets', segment, offsets, offset: this.#offset });
    this.#offset = offset;
    const fields: [PostedField, FieldIndex][] = [];
    for (const field of INDEXED) fields.push([field, await this.#field(field, segment, places)]);
    // Records that stand for removed ones have a time as well.
    const read = this.#runs.filter((run) => run.lastTimestampNs > 0n);
    const header = {
      segment,
      nodeId: this.#work.nodeId,
      fileBytes: this.#offset,
      places,
      firstTimestampNs: read[0]?.firstTimestampNs ?? 0n,
      lastTimestampNs: read.at(-1)?.lastTimestampNs ?? 0n,
      directoryOffset,
      fields: Object.fromEntries(fields) as Record<PostedField, FieldIndex>,
    };
    await this.#step({ step: 'commit', header });
  }

  /** The dictionary of a field. */
  async #field(field: PostedField, segment: IndexRange['segment'], places: number): Promise<FieldIndex> {
    const sections = this.#runs.map((run) => run.sections[field]);
    const leaves: BlockEntry[] = [];
    const hashes: Uint8Array[] = [];
    let positions: readonly RunPosition[] | undefined = sections.map(() => ({ block: 0, entry: 0 }));
    while (positions !== undefined) {
      const offset = this.#offset;
      const merged: IndexResults['merge'] = await this.#step({
        step: 'merge',
        segment,
        places,
        sections,
        positions,
        offset,
      });
      leaves.push(...merged.leaves);
      hashes.push(merged.hashes);
      this.#offset = merged.offset;
      positions = merged.positions;
    }
    const done = await this.#step({ step: 'dictionary', segment, leaves, hashes, offset: this.#offset });
    this.#offset = done.offset;
    return done.field;
  }

  async #step<K extends IndexStep['step']>(step: IndexStepOf<K>): Promise<IndexResults[K]> {
    this.#between.check();
    let tookMs = 0;
    const result = await this.#pool.run({ kind: 'index', ...this.#work, step: step as IndexStep }, (ms) => {
      tookMs = ms;
    });
    await this.#between.rest(tookMs);
    return result as IndexResults[K];
  }
}
