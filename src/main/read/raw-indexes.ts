/** The indexes of raw segments that are in memory, within a budget. */
import type { Segment } from './catalog.js';
import { type IndexMemory, rawIndexName } from './index-memory.js';
import { RawFollower } from './raw-follower.js';
import { RawIndex, type RawSource } from './raw-index.js';
import { takeIn } from './raw-intake.js';
import type { Records } from './records.js';

/** A query that builds an index gives the thread back after so long. */
const SLICE_MS = 2;

export class RawIndexes {
  readonly #records: Records;
  readonly #memory: IndexMemory;
  /** Segments whose index alone is over the budget. */
  readonly #tooLarge = new Set<number>();
  readonly #follower: RawFollower;

  constructor(records: Records, memory: IndexMemory) {
    this.#records = records;
    this.#memory = memory;
    this.#follower = new RawFollower(records, this);
  }

  /**
   * The index of a segment up to a sequence; undefined where it would take more than the budget: then scan.
   * @param records to build it from, where they are to be metered
   * @throws ERR_CORRUPT, ERR_STORAGE, and what the signal's abort raises
   */
  async get(
    segment: Segment,
    lastSequence: number,
    checkAbort: () => void,
    records = this.#records,
  ): Promise<RawIndex | undefined> {
    const index = this.begun(segment);
    if (index === undefined) return undefined;
    let isHeld = true;
    const goOn = (): boolean => {
      checkAbort();
      isHeld = this.hold(segment, index);
      return isHeld;
    };
    await takeIn(index, lastSequence, { records, sliceMs: SLICE_MS, goOn, isPlaceWanted: () => false });
    if (!isHeld) return undefined;
    this.#follower.want(segment, index);
    return index;
  }

  /** The index of a segment as far as there is one in memory. */
  inMemory({ number }: Segment): RawIndex | undefined {
    return this.#memory.get(rawIndexName(number)) as RawIndex | undefined;
  }

  /** The same, or an empty one; undefined where it would take more than the budget. */
  begun(segment: Segment): RawIndex | undefined {
    if (this.#tooLarge.has(segment.number)) return undefined;
    const index = this.inMemory(segment) ?? new RawIndex(segment, this.#sourceOf(segment));
    return this.hold(segment, index) ? index : undefined;
  }

  #sourceOf(segment: Segment): RawSource {
    const records = this.#records;
    return {
      nodeId: records.nodeId,
      loadCached: (sequence) => records.loadCached(sequence),
      place: (index, lastSequence) => {
        const goOn = (): boolean => this.inMemory(segment) === index && this.hold(segment, index);
        return takeIn(index, lastSequence, { records, sliceMs: SLICE_MS, goOn, isPlaceWanted: () => true });
      },
    };
  }

  /** An index has grown. Returns whether it is within the budget. */
  hold({ number }: Segment, index: RawIndex): boolean {
    if (this.#memory.put(rawIndexName(number), index, index.bytes)) return true;
    this.#tooLarge.add(number);
    return false;
  }

  close(): Promise<void> {
    return this.#follower.close();
  }
}
