/** What a query looks for: records that a predicate matches, and what becomes of each. Counts what it does. */
import { type Memory, recordLength } from '../../../shared/format/record.js';
import { compile, type Matches } from '../../../shared/portable/query/evaluate.js';
import { postingsOf, type Served } from '../../../shared/portable/query/narrow.js';
import type { Predicate } from '../../../shared/portable/query/predicate.js';
import type { Segment } from '../catalog.js';
import type { RawIndex } from '../raw-index.js';
import type { Candidates, Sought } from '../sought.js';
import { choose } from './choose.js';
import { RecordView } from './record-view.js';

/** Makes a row of a record that matches, or takes it in and makes none. */
export type Make<T> = (view: RecordView, memory: Memory, at: number) => T | undefined;

const NONE = new Uint32Array(0);

export class Queried<T> implements Sought<T> {
  readonly #matches: Matches;
  readonly #served: Served | undefined;
  readonly #make: Make<T>;
  readonly #addCount: ((count: number) => void) | undefined;
  readonly #nodeId: string;
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
   * @param nodeId third part of the store's ids
   * @param addCount takes in records by their number, where that is all that is asked for
   */
  constructor(predicate: Predicate, nodeId: string, make: Make<T>, addCount?: (count: number) => void) {
    this.#matches = compile(predicate);
    this.#served = postingsOf(predicate);
    this.#nodeId = nodeId;
    this.#make = make;
    this.#addCount = addCount;
  }

  get isSelective(): boolean {
    return this.#served !== undefined;
  }

  /** Segments that postings have shown to hold nothing. */
  get segmentsPruned(): number {
    return [...this.#left].filter((number) => !this.#used.has(number)).length;
  }

  candidates(segment: Segment, index: RawIndex, low: number, high: number): Candidates | undefined {
    const chosen = this.#served && choose(this.#served, index, low, high);
    if (chosen === undefined) return undefined;
    this.postingsRead += chosen.read;
    const count = chosen.ordinals.length;
    (count === 0 ? this.#left : this.#used).add(segment.number);
    if (this.#addCount === undefined || !chosen.exact) return chosen;
    this.#addCount(count);
    this.recordsMatched += count;
    return { ordinals: NONE, exact: true };
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
