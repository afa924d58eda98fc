/** The making of one index file: its steps, in their order. */
import path from 'node:path';
import { corrupt } from '../../shared/damage.js';
import { sealedFile } from '../../shared/format/file-names.js';
import { sameChecksum } from '../../shared/format/frame.js';
import { type FieldIndex, INDEX_HEADER_BYTES, INDEXED, type IndexedSegment } from '../../shared/format/index-file.js';
import { RECORD_ALIGNMENT } from '../../shared/format/record.js';
import type {
  GatheredRuns,
  IndexRange,
  IndexResults,
  IndexStep,
  IndexStepOf,
  IndexWork,
  MergedPart,
  Run,
  RunSection,
} from '../../shared/index-tasks.js';
import type { PostedField } from '../../shared/portable/query/narrow.js';
import type { Between } from './pace.js';
import type { Pool } from './pool.js';

export class IndexJob {
  readonly #pool: Pool;
  readonly #work: IndexWork;
  readonly #between: Between;
  /** Where the file goes on. */
  #offset = INDEX_HEADER_BYTES;

  constructor(pool: Pool, work: IndexWork, between: Between) {
    this.#pool = pool;
    this.#work = work;
    this.#between = between;
  }

  /** Make the file of what the sealed segment says; nothing is made where there is none. Returns its bytes. */
  async run(): Promise<number> {
    const range = await this.#step({ step: 'begin' });
    if (range === undefined) return 0;
    return this.#orDiscard(async () => this.#write({ ...range, runs: await this.#takeRuns(range) }));
  }

  /** Make the file of what was gathered before. Returns its bytes. */
  write(gathered: GatheredRuns): Promise<number> {
    return this.#orDiscard(() => this.#write(gathered));
  }

  /** Remove what was begun. What stays is removed by the next opening. */
  async discard(): Promise<void> {
    await this.#pool
      .run({ kind: 'index', ...this.#work, step: { step: 'discard' } })
      .catch((left) => process.emitWarning(left));
  }

  async #orDiscard(run: () => Promise<number>): Promise<number> {
    try {
      return await run();
    } catch (error) {
      await this.discard(); // what counts is why it was in vain
      throw error;
    }
  }

  async #takeRuns(range: IndexRange): Promise<Run[]> {
    const runs: Run[] = [];
    let [from, offset] = [range.start, 0];
    do {
      const taken = await this.#step({ step: 'run', range, from, offset });
      runs.push(taken.run);
      [from, offset] = [taken.to, taken.offset];
    } while (from.sequence <= range.lastSequence);
    const { rawBytes, lastFrame, count } = range.segment;
    const records = runs.reduce((sum, run) => sum + run.records, 0);
    if (from.offset === rawBytes && sameChecksum(from.previous, lastFrame) && records === count) return runs;
    const file = path.join(this.#work.dir, sealedFile(this.#work.number));
    throw corrupt(file, from.offset, 'the sealed segment does not end as its header says', {
      firstSequence: range.segment.firstSequence,
      lastSequence: range.lastSequence,
    });
  }

  async #write({ segment, lastSequence, runs }: GatheredRuns): Promise<number> {
    const places = lastSequence - segment.firstSequence + 1;
    const end = Uint32Array.of(segment.rawBytes / RECORD_ALIGNMENT);
    const offsets = [...runs.map((run) => run.offsets), end];
    const { directoryOffset, offset } = await this.#step({ step: 'offsets', segment, offsets, offset: this.#offset });
    this.#offset = offset;
    const fields = await this.#fields(runs, segment, places);
    // Records that stand for removed ones have a time as well.
    const read = runs.filter((run) => run.lastTimestampNs > 0n);
    const header = {
      segment,
      nodeId: this.#work.nodeId,
      fileBytes: this.#offset,
      places,
      firstTimestampNs: read[0]?.firstTimestampNs ?? 0n,
      lastTimestampNs: read.at(-1)?.lastTimestampNs ?? 0n,
      directoryOffset,
      fields: Object.fromEntries(INDEXED.map((field, i) => [field, fields[i]])) as Record<PostedField, FieldIndex>,
    };
    await this.#step({ step: 'commit', header });
    return this.#offset;
  }

  /** The dictionaries of all fields, in their order. */
  async #fields(runs: readonly Run[], segment: IndexedSegment, places: number): Promise<FieldIndex[]> {
    const fields = INDEXED.map((field) => runs.map((run) => run.sections[field]));
    const made: FieldIndex[] = [];
    while (made.length < fields.length) {
      const left = fields.slice(made.length);
      const { done, part } = await this.#merge({ segment, places, fields: left, positions: undefined });
      made.push(...done);
      if (part !== undefined) made.push(await this.#longField(fields[made.length]!, part, segment, places));
    }
    return made;
  }

  /** A dictionary that takes more than a step. */
  async #longField(
    sections: readonly RunSection[],
    first: MergedPart,
    segment: IndexedSegment,
    places: number,
  ): Promise<FieldIndex> {
    const parts = [first];
    for (let { positions } = first; positions !== undefined; ) {
      const { part } = await this.#merge({ segment, places, fields: [sections], positions });
      parts.push(part!);
      positions = part!.positions;
    }
    const leaves = parts.flatMap((part) => part.leaves);
    const hashes = parts.map((part) => part.hashes);
    const done = await this.#step({ step: 'dictionary', segment, leaves, hashes, offset: this.#offset });
    this.#offset = done.offset;
    return done.field;
  }

  async #merge(step: Omit<IndexStepOf<'merge'>, 'step' | 'offset'>): Promise<IndexResults['merge']> {
    const merged = await this.#step({ step: 'merge', ...step, offset: this.#offset });
    this.#offset = merged.offset;
    return merged;
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
