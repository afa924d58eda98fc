/** What a read looks for, and what it makes of the records that it finds. */
import { type Memory, recordRevision } from '../../shared/format/record.js';
import type { RecordedEvent } from '../../shared/portable/events.js';
import { matches, type ParsedSelector } from '../../shared/portable/selector.js';
import type { Segment } from './catalog.js';
import type { RawIndex } from './raw-index.js';
import { RecordHeader } from './record-header.js';
import type { Records } from './records.js';
import { storedEvent } from './stored-event.js';

/** Records that an index has named, by their places in the segment, ascending. */
export interface Candidates {
  readonly ordinals: Uint32Array;
  /** Whether they are what is looked for, and need not be looked at again. */
  readonly exact: boolean;
}

export interface Sought<T> {
  /** Whether an index can leave anything out. */
  readonly isSelective: boolean;
  /** Payload bytes that were decoded so far to decide. */
  readonly decodedBytes: number;
  /** The records of a range of a segment that are to be looked at; undefined where this index leaves nothing out. */
  candidates(
    segment: Segment,
    index: RawIndex,
    low: number,
    high: number,
  ): Candidates | undefined | Promise<Candidates | undefined>;
  /**
   * The row of a record, undefined where it is not looked for.
   * @param exact whether it is known to be
   */
  take(memory: Memory, at: number, exact: boolean): T | undefined;
}

/** The revisions of a single stream, both inclusive. */
export interface Revisions {
  readonly lowest: number;
  readonly highest: number;
}

/** Events that selectors match. */
export class Selected implements Sought<RecordedEvent<any>> {
  readonly decodedBytes = 0;
  readonly #records: Records;
  readonly #selectors: readonly ParsedSelector[];
  readonly #revisions: Revisions | undefined;

  /** @param revisions where the selector is a single stream: those that are wanted */
  constructor(records: Records, selectors: readonly ParsedSelector[], revisions?: Revisions) {
    this.#records = records;
    this.#selectors = selectors;
    this.#revisions = revisions;
  }

  get isSelective(): boolean {
    return this.#selectors.length > 0;
  }

  async candidates(segment: Segment, index: RawIndex, low: number, high: number): Promise<Candidates> {
    const named = index.candidates(this.#selectors, low, high);
    return { ordinals: await this.#narrowed(segment, index, named), exact: index.isExact(this.#selectors) };
  }

  take(memory: Memory, at: number, exact: boolean): RecordedEvent<any> | undefined {
    if (!exact && this.#selectors.length > 0 && !matches(this.#selectors, new RecordHeader(memory, at))) {
      return undefined;
    }
    return this.#hasRevision(memory, at) ? storedEvent(memory, at, this.#records.nodeId) : undefined;
  }

  /** Of the ascending candidates, those whose revisions are wanted: a stream's revisions are gapless as appended. */
  async #narrowed(segment: Segment, index: RawIndex, candidates: Uint32Array): Promise<Uint32Array> {
    const first = candidates[0];
    const records = this.#records;
    // Where events were given up, revisions may be missing too: then each record is looked at.
    if (first === undefined || this.#revisions === undefined || records.holes.list.length > 0) return candidates;
    const { lowest, highest } = this.#revisions;
    const offset = index.offsetAt(first);
    const memory = await records.loadSpan(segment, offset, index.endAt(first));
    segment.blocks.check(memory, 0, segment.firstSequence + first, records.seed, offset);
    const revision = recordRevision(memory.view, 0);
    return candidates.subarray(Math.max(0, lowest - revision), Math.max(0, highest - revision + 1));
  }

  #hasRevision(memory: Memory, at: number): boolean {
    if (this.#revisions === undefined) return true;
    const revision = recordRevision(memory.view, at);
    return revision >= this.#revisions.lowest && revision <= this.#revisions.highest;
  }
}
