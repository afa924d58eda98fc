/** What a query looks for: records that a predicate matches, and what becomes of each. Counts what it does. */

import { RecordView } from '../../../shared/decoding/record-view.js';
import { type Memory, recordLength } from '../../../shared/format/record.js';
import { compile, isAlways, type Matches } from '../../../shared/portable/query/evaluate.js';
import { decided } from '../../../shared/portable/query/intervals.js';
import { asksLists, postingsOf, restOf } from '../../../shared/portable/query/narrow.js';
import type { Predicate } from '../../../shared/portable/query/predicate.js';
import type { Segment } from '../catalog.js';
import type { SegmentIndex } from '../postings.js';
import {
  type Candidates,
  type Counted,
  type Elsewhere,
  type Known,
  type Pool,
  type Sought,
  WINDOW_RECORDS,
} from '../sought.js';
import { hasDeleted, type TombstonesInForce } from '../tombstones.js';
import { choose } from './choose.js';
import type { Count } from './counted.js';

/** Makes a row of a record that matches, or takes it in and makes none. */
export type Make<T> = (view: RecordView, memory: Memory, at: number) => T | undefined;

interface Asked {
  readonly nodeId: string;
  readonly tombstones: TombstonesInForce;
  readonly pool: Pool | undefined;
}

export class Queried<T> implements Sought<T> {
  readonly #predicate: Predicate;
  readonly #matches: Matches;
  readonly #make: Make<T>;
  readonly #count: Count | undefined;
  readonly #nodeId: string;
  readonly #isEverything: boolean;
  readonly isSelective: boolean;
  readonly #tombstones: TombstonesInForce;
  #view: RecordView | undefined;
  /** Segments of which postings left nothing, and those of which something was looked at or counted. */
  readonly #left = new Set<number>();
  readonly #used = new Set<number>();
  readonly elsewhere: Elsewhere | undefined;
  decodedBytes = 0;
  postingsRead = 0;
  recordsExamined = 0;
  recordsDecoded = 0;
  recordsMatched = 0;

  /**
   * @param asked the records, the third part of whose ids is needed, what of them was deleted, and who may look at them
   * @param count takes records in as postings tell of them, where that is all that is asked for
   */
  constructor(predicate: Predicate, { nodeId, tombstones, pool }: Asked, make: Make<T>, count?: Count) {
    this.#tombstones = tombstones;
    this.#predicate = predicate;
    this.#matches = compile(predicate);
    this.#nodeId = nodeId;
    this.#make = make;
    this.#count = count;
    this.#isEverything = isAlways(predicate);
    const served = postingsOf(predicate);
    // Of sequences alone, those were chosen before.
    const isCounted = count !== undefined && (this.#isEverything || served?.exact === true);
    this.isSelective = isCounted || (served !== undefined && asksLists(served.postings));
    this.elsewhere = pool && {
      pool,
      predicate,
      rest: restOf(predicate),
      onLooked: (examined, decoded) => this.#onLooked(examined, decoded),
    };
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

  async candidates(
    segment: Segment,
    index: SegmentIndex,
    low: number,
    high: number,
  ): Promise<Candidates | Counted | undefined> {
    const predicate = decided(this.#predicate, { low, high });
    const isEverything = isAlways(predicate);
    const served = isEverything ? undefined : postingsOf(predicate);
    const chosen = served && (await choose(served, index, low, high));
    if (chosen === undefined && !(isEverything && this.#count !== undefined)) {
      this.#used.add(segment.number);
      return undefined;
    }
    const ordinals = chosen?.ordinals;
    const counted = chosen?.exact === false ? undefined : await this.#counted(segment, index, low, high, ordinals);
    this.postingsRead += chosen?.read ?? 0;
    (ordinals?.length === 0 ? this.#left : this.#used).add(segment.number);
    return counted ?? chosen;
  }

  /** The records, all of which match, as they are named; undefined where they have to be looked at. */
  async #counted(
    { firstSequence }: Segment,
    index: SegmentIndex,
    low: number,
    high: number,
    ordinals: Uint32Array | undefined,
  ): Promise<Counted | undefined> {
    if (this.#count === undefined || (await hasDeleted(this.#tombstones, index, low, high))) return undefined;
    const there = index.isWhole ? ordinals : await present(index, low, high, ordinals);
    const counted = await this.#count(index, { firstSequence, low, high, ordinals: there });
    if (counted === undefined) return undefined;
    this.postingsRead += counted.read;
    return {
      add: () => {
        this.recordsMatched += there?.length ?? high - low + 1;
        counted.add();
      },
    };
  }

  #onLooked(examined: number, decoded: number): void {
    this.recordsExamined += examined;
    this.recordsDecoded += decoded;
  }

  take(memory: Memory, at: number, known: Known): T | undefined {
    this.#view ??= new RecordView(memory, at, this.#nodeId);
    const view = this.#view;
    view.moveTo(memory, at);
    if (known !== 'matched') this.recordsExamined++;
    let row: T | undefined;
    if (known !== 'unknown' || this.#matches(view)) {
      this.recordsMatched++;
      row = this.#make(view, memory, at);
    }
    if (view.decoded) {
      if (known !== 'matched') this.recordsDecoded++;
      this.decodedBytes += recordLength(memory.view, at);
    }
    return row;
  }
}

/** Where records were removed, those that have a stream are there. */
async function present(
  index: SegmentIndex,
  low: number,
  high: number,
  ordinals: Uint32Array | undefined,
): Promise<Uint32Array> {
  const all = await index.ofPrefix('stream', '');
  return ordinals === undefined ? all.within(low, high) : all.among(ordinals);
}
