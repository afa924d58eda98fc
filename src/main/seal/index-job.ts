/** The making of one index file: its steps, in their order. */
import path from 'node:path';
import { corrupt } from '../../shared/damage.js';
import { sealedFile } from '../../shared/format/file-names.js';
import { sameChecksum } from '../../shared/format/frame.js';
import { type FieldIndex, INDEX_HEADER_BYTES, INDEXED } from '../../shared/format/index-file.js';
import type { BlockEntry } from '../../shared/format/index-tree.js';
import { RECORD_ALIGNMENT } from '../../shared/format/record.js';
import type {
  GatheredRuns,
  IndexRange,
  IndexResults,
  IndexStep,
  IndexStepOf,
  IndexWork,
  Run,
  RunPosition,
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

  /** Make the file of what the sealed segment says; nothing is made where there is none. */
  async run(): Promise<void> {
    const range = await this.#step({ step: 'begin' });
    if (range === undefined) return;
    await this.#orDiscard(async () => this.#write({ ...range, runs: await this.#takeRuns(range) }));
  }

  /** Make the file of what was gathered before. */
  async write(gathered: GatheredRuns): Promise<void> {
    await this.#orDiscard(() => this.#write(gathered));
  }

  /** Remove what was begun. What stays is removed by the next opening. */
  async discard(): Promise<void> {
    await this.#pool
      .run({ kind: 'index', ...this.#work, step: { step: 'discard' } })
      .catch((left) => process.emitWarning(left));
  }

  async #orDiscard(run: () => Promise<void>): Promise<void> {
    try {
      await run();
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

  async #write({ segment, lastSequence, runs }: GatheredRuns): Promise<void> {
    const places = lastSequence - segment.firstSequence + 1;
    const end = Uint32Array.of(segment.rawBytes / RECORD_ALIGNMENT);
    const offsets = [...runs.map((run) => run.offsets), end];
    const { directoryOffset, offset } = await this.#step({ step: 'offsets', segment, offsets, offset: this.#offset });
    this.#offset = offset;
    const fields: [PostedField, FieldIndex][] = [];
    for (const field of INDEXED) {
      const sections = runs.map((run) => run.sections[field]);
      fields.push([field, await this.#field(sections, segment, places)]);
    }
    const read = runs.filter((run) => run.records > 0);
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
  async #field(sections: readonly RunSection[], segment: IndexRange['segment'], places: number): Promise<FieldIndex> {
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
