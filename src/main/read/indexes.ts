/** The indexes of segments, for whoever reads: that in a file where there is one, or else the one in memory. */
import type { Segment } from './catalog.js';
import { IndexDamage } from './index-reader.js';
import type { SegmentIndex } from './postings.js';
import { RawIndexes } from './raw-indexes.js';
import type { Records } from './records.js';

/** A range of fewer records is rather read through than looked for in an index: one that has to be built, or one in a file. */
const WORTH_BUILDING = 2048;
const WORTH_READING = 64;

export class Indexes {
  readonly #records: Records;
  readonly #raw: RawIndexes;

  constructor(records: Records) {
    this.#records = records;
    this.#raw = new RawIndexes(records, records.catalog.indexFiles.memory);
  }

  /** Resolves when nothing is done for them any more. */
  close(): Promise<void> {
    return this.#raw.close();
  }

  /** Memory in use, about. */
  get bytes(): number {
    return this.#records.catalog.indexFiles.memory.bytes;
  }

  /**
   * The index of a segment for a range of it; undefined where it is as well to read that through.
   * @param records metered, where it is to be told what is read
   * @throws ERR_CORRUPT, ERR_STORAGE where one has to be built, and what the signal's abort raises
   */
  async open(
    segment: Segment,
    low: number,
    high: number,
    checkAbort: () => void,
    records = this.#records,
  ): Promise<IndexInUse | undefined> {
    const raw = (): Promise<SegmentIndex | undefined> => this.#raw.get(segment, high, checkAbort, records);
    if (high - low < WORTH_READING) return undefined;
    const index = await this.openFile(segment, records, raw);
    if (index !== undefined || high - low < WORTH_BUILDING) return index;
    const built = await raw();
    return built && new IndexInUse(built, raw, () => {});
  }

  /**
   * The index file of a segment; undefined where there is none that can be used.
   * @param instead what is asked where it turns out to be damaged
   */
  async openFile(
    segment: Segment,
    records: Records,
    instead: () => Promise<SegmentIndex | undefined> = async () => undefined,
  ): Promise<IndexInUse | undefined> {
    const { catalog } = records;
    const chained = catalog.chained(segment);
    const index = chained && (await catalog.indexFiles.open(chained, records.onRead));
    return index && new IndexInUse(index, instead, (why) => catalog.indexFiles.damaged(segment.number, why));
  }
}

/** An index that is asked several things, one after the other. */
export class IndexInUse {
  #index: SegmentIndex | undefined;
  readonly #instead: () => Promise<SegmentIndex | undefined>;
  readonly #onDamage: (why: IndexDamage) => void;

  constructor(
    index: SegmentIndex,
    instead: () => Promise<SegmentIndex | undefined>,
    onDamage: (why: IndexDamage) => void,
  ) {
    this.#index = index;
    this.#instead = instead;
    this.#onDamage = onDamage;
  }

  /**
   * What is asked, of another index where this one turns out to be damaged: from the beginning then. Undefined where there is
   * none any more.
   */
  async ask<T>(question: (index: SegmentIndex) => Promise<T>): Promise<T | undefined> {
    if (this.#index === undefined) return undefined;
    try {
      return await question(this.#index);
    } catch (error) {
      if (!(error instanceof IndexDamage)) throw error;
      this.#onDamage(error);
      this.#index = await this.#instead();
      return this.#index && (await question(this.#index));
    }
  }
}
