/** What a query looks for: records that a predicate matches, and what becomes of each. Counts what it does. */

import { RecordView } from '../../../shared/decoding/record-view.js';
import { type Memory, recordLength } from '../../../shared/format/record.js';
import { compile, isAlways, type Matches } from '../../../shared/portable/query/evaluate.js';
import { postingsOf, type Served } from '../../../shared/portable/query/narrow.js';
import type { Predicate } from '../../../shared/portable/query/predicate.js';
import type { Segment } from '../catalog.js';
import type { SegmentIndex } from '../postings.js';
import { type Candidates, type Sought, WINDOW_RECORDS } from '../sought.js';
import { hasDeleted, type TombstonesInForce } from '../tombstones.js';
import { choose } from './choose.js';
import type { Count } from './counted.js';

/** Makes a row of a record that matches, or takes it in and makes none. */
export type Make<T> = (view: RecordView, memory: Memory, at: number) => T | undefined;

const NONE = new Uint32Array(0);

interface Asked {
  readonly nodeId: string;
  readonly tombstones: TombstonesInForce;
}

export class Queried<T> implements Sought<T> {
  readonly #matches: Matches;
  readonly #served: Served | undefined;
  readonly #make: Make<T>;
  readonly #count: Count | undefined;
  readonly #nodeId: string;
  readonly #isEverything: boolean;
  readonly #tombstones: TombstonesInForce;
  #view: RecordView | undefined;
  /** Segments of which postings left nothing, and those of which something was looked at or counted. */
  readonly #left = new Set<number>();
  readonly #used = new Set<number>();
  decodedBytes = 0;
  postingsRead = 0;
  recordsExamined = 0;
  recordsDecoded = 0;
  recordsMatched = 0;

  /**
   * @param asked the records, the third part of whose ids is needed, and what of them was deleted
   * @param count takes records in as postings tell of them, where that is all that is asked for
   */
  constructor(predicate: Predicate, { nodeId, tombstones }: Asked, make: Make<T>, count?: Count) {
    this.#tombstones = tombstones;
    this.#matches = compile(predicate);
    this.#served = postingsOf(predicate);
    this.#nodeId = nodeId;
    this.#make = make;
    this.#count = count;
    this.#isEverything = isAlways(predicate);
  }

  get isSelective(): boolean {
    return this.#served !== undefined || (this.#isEverything && this.#count !== undefined);
  }

  /** Segments that postings have shown to hold nothing. */
  get segmentsPruned(): number {
    return [...this.#left].filter((number) => !this.#used.has(number)).length;
  }

  get windowRecords(): number {
    // A group's range is told by its entry where the whole segment is asked for.
    const isCounted = this.#count !== undefined && this.#isEverything;
    return isCounted ? Number.POSITIVE_INFINITY : WINDOW_RECORDS;
  }

  async candidates(segment: Segment, index: SegmentIndex, low: number, high: number): Promise<Candidates | undefined> {
    const chosen = this.#served && (await choose(this.#served, index, low, high));
    if (chosen === undefined && !this.#isEverything) return undefined;
    const ordinals = chosen?.ordinals;
    const isCounted = chosen?.exact !== false && (await this.#isCounted(segment, index, low, high, ordinals));
    this.postingsRead += chosen?.read ?? 0;
    (ordinals?.length === 0 ? this.#left : this.#used).add(segment.number);
    return isCounted ? { ordinals: NONE, exact: true } : chosen;
  }

  /** Whether the records, all of which match, are taken in as they are named. */
  async #isCounted(
    { firstSequence }: Segment,
    index: SegmentIndex,
    low: number,
    high: number,
    ordinals: Uint32Array | undefined,
  ): Promise<boolean> {
    if (this.#count === undefined || (await hasDeleted(this.#tombstones, index, low, high))) return false;
    // Where records were removed, those that have a stream are there.
    const there =
      ordinals ?? (index.isWhole ? undefined : await (await index.ofPrefix('stream', '')).within(low, high));
    const read = await this.#count(index, { firstSequence, low, high, ordinals: there });
    if (read === undefined) return false;
    this.postingsRead += read;
    this.recordsMatched += there?.length ?? high - low + 1;
    return true;
  }

  take(memory: Memory, at: number, exact: boolean): T | undefined {
    this.#view ??= new RecordView(memory, at, this.#nodeId);
    const view = this.#view;
    view.moveTo(memory, at);
    this.recordsExamined++;
    let row: T | undefined;
    if (exact || this.#matches(view)) {
      this.recordsMatched++;
      row = this.#make(view, memory, at);
    }
    if (view.decoded) {
      this.recordsDecoded++;
      this.decodedBytes += recordLength(memory.view, at);
    }
    return row;
  }
}
