/**
 * The index of a segment that has no index file: for each stream, type, tag, agent, session, correlation id and cause, the records
 * that have it; and where each record stands. Built from durable bytes when a query first wants it, continued from where
 * the last build ended, and let go when its memory is wanted elsewhere. Never an authority on bytes: what it finds is read
 * back and verified, and matched again where more than one field is asked for.
 */

import { RecordHeader } from '../../shared/decoding/record-header.js';
import { recordLength } from '../../shared/format/record.js';
import { isRemoved } from '../../shared/format/removed-record.js';
import type { PostedField } from '../../shared/portable/query/narrow.js';
import type { Segment } from './catalog.js';
import { type IndexMemory, rawIndexName } from './index-memory.js';
import { Numbers } from './numbers.js';
import type { PlaceList, RecordPlaces, SegmentIndex, ValuePlaces } from './postings.js';
import { between, intersection, union } from './query/lists.js';
import { RawCauses } from './raw-causes.js';
import type { Records } from './records.js';
import type { Run } from './run.js';

/** What a term costs beside its characters and postings, about. Unit: bytes. */
const TERM_BYTES = 150;

/** Each field by the letter that its terms begin with. */
const FIELD: Readonly<Record<PostedField, string>> = {
  stream: 's',
  type: 't',
  tags: 'g',
  agent: 'a',
  session: 'e',
  correlationId: 'c',
  causes: 'p',
};

const NONE = new Uint32Array(0);

export class RawIndex implements SegmentIndex {
  readonly firstSequence: number;
  readonly #nodeId: string;
  readonly #terms = new Map<string, Numbers>();
  readonly #offsets = new Numbers();
  readonly #causes: RawCauses;
  #next: number;
  /** Where the last record ends. */
  #end = 0;
  #removed = 0;
  bytes = 0;

  /** @param nodeId third part of the store's ids */
  constructor(segment: Segment, nodeId: string) {
    this.firstSequence = segment.firstSequence;
    this.#nodeId = nodeId;
    this.#causes = new RawCauses(nodeId);
    this.#next = segment.firstSequence;
  }

  /** The first sequence that is not in it yet. */
  get nextSequence(): number {
    return this.#next;
  }

  get lastSequence(): number {
    return this.#next - 1;
  }

  get isWhole(): boolean {
    return this.#removed === 0;
  }

  /** Take in a run's records from {@link nextSequence} on. */
  add(run: Run, lastSequence: number): void {
    for (const end = Math.min(run.lastSequence, lastSequence); this.#next <= end; this.#next++) {
      const at = run.at(this.#next);
      this.bytes += this.#offsets.push(run.fileOffset + at);
      this.#end = run.fileOffset + at + recordLength(run.memory.view, at);
      if (isRemoved(run.memory.view, at)) {
        this.#removed++;
        continue;
      }
      const header = new RecordHeader(run.memory, at);
      const ordinal = this.#next - this.firstSequence;
      this.#post(FIELD.stream + header.stream, ordinal);
      this.#post(FIELD.type + header.type, ordinal);
      for (const tag of new Set(header.tags)) this.#post(FIELD.tags + tag, ordinal);
      for (const cause of new Set(header.causes(this.#nodeId))) {
        const grown = this.#causes.add(cause, ordinal);
        if (grown === undefined) this.#post(FIELD.causes + cause, ordinal);
        else this.bytes += grown;
      }
      if (header.agent !== undefined) this.#post(FIELD.agent + header.agent, ordinal);
      if (header.session !== undefined) this.#post(FIELD.session + header.session, ordinal);
      if (header.correlationId !== undefined) this.#post(FIELD.correlationId + header.correlationId, ordinal);
    }
  }

  /** Leave out sequences that are not there. */
  skipTo(sequence: number): void {
    for (; this.#next < sequence; this.#next++) this.bytes += this.#offsets.push(this.#end);
  }

  async recordsAt(places: Uint32Array): Promise<RecordPlaces> {
    const count = this.#offsets.count;
    return {
      starts: Float64Array.from(places, (place) => this.#offsets.at(place)),
      ends: Float64Array.from(places, (place) => (place + 1 < count ? this.#offsets.at(place + 1) : this.#end)),
    };
  }

  async ofValue(field: PostedField, value: string): Promise<PlaceList> {
    const posted = this.#terms.get(FIELD[field] + value)?.values;
    return this.#listOf(value, posted ?? (field === 'causes' ? this.#causes.ofValue(value) : NONE));
  }

  async ofPrefix(field: PostedField, prefix: string, isWanted?: (value: string) => boolean): Promise<PlaceList> {
    const lists: Uint32Array[] = [];
    for (const [value, values] of this.#lists(field, prefix)) if (isWanted?.(value) !== false) lists.push(values);
    const within = async (low: number, high: number): Promise<Uint32Array> =>
      union(lists.map((list) => this.#within(list, low, high)));
    return {
      count: lists.reduce((sum, list) => sum + list.length, 0),
      within,
      among: async (places) => intersection(places, await within(this.firstSequence, this.lastSequence)),
    };
  }

  async *ofEach(field: PostedField, prefix: string): AsyncGenerator<ValuePlaces> {
    // As they are now, all of them: while others wait for what they are given, the index may grow.
    for (const [value, list] of [...this.#lists(field, prefix)]) yield this.#listOf(value, list);
  }

  *#lists(field: PostedField, prefix: string): Generator<[string, Uint32Array]> {
    const letter = FIELD[field];
    for (const [term, { values }] of this.#terms) {
      if (term.startsWith(letter) && term.startsWith(prefix, 1)) yield [term.slice(1), values];
    }
    if (field === 'causes') yield* this.#causes.withPrefix(prefix);
  }

  #listOf(value: string, list: Uint32Array): ValuePlaces {
    return {
      value,
      count: list.length,
      first: list[0] ?? 0,
      last: list.at(-1) ?? 0,
      within: async (low, high) => this.#within(list, low, high),
      among: async (places) => intersection(places, list),
    };
  }

  /** The part of a list that is in a range. */
  #within(list: Uint32Array, low: number, high: number): Uint32Array {
    return between(list, low - this.firstSequence, high - this.firstSequence);
  }

  #post(term: string, ordinal: number): void {
    let postings = this.#terms.get(term);
    if (postings === undefined) {
      postings = new Numbers();
      this.#terms.set(term, postings);
      this.bytes += TERM_BYTES + term.length * 2;
    }
    this.bytes += postings.push(ordinal);
  }
}

/** The indexes of raw segments that are in memory, within a budget. */
export class RawIndexes {
  readonly #records: Records;
  readonly #memory: IndexMemory;
  /** Segments whose index alone is over the budget. */
  readonly #tooLarge = new Set<number>();

  constructor(records: Records, memory: IndexMemory) {
    this.#records = records;
    this.#memory = memory;
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
    if (this.#tooLarge.has(segment.number)) return undefined;
    const key = rawIndexName(segment.number);
    const index = (this.#memory.get(key) as RawIndex | undefined) ?? new RawIndex(segment, records.nodeId);
    while (index.nextSequence <= lastSequence) {
      checkAbort();
      const present = records.holes.skip(index.nextSequence);
      if (present > index.nextSequence) {
        index.skipTo(Math.min(present, lastSequence + 1));
        continue;
      }
      const run = await records.loadFromFile(index.nextSequence, lastSequence);
      // Another query may have gone on meanwhile.
      if (index.nextSequence >= run.firstSequence) index.add(run, lastSequence);
      if (this.#memory.put(key, index, index.bytes)) continue;
      this.#tooLarge.add(segment.number);
      return undefined;
    }
    return index;
  }
}
