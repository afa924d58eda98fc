/**
 * The index of a segment that has no index file: for each stream, type, tag, agent, session, correlation id and cause, the records
 * that have it; and where each record stands. Built from durable records when a query first wants it, continued from where
 * the last build ended, and let go when its memory is wanted elsewhere. Never an authority on bytes: what it finds is read
 * back and verified, and matched again where more than one field is asked for.
 *
 * What is taken in from the cache has no place in the file yet: that is filled in from the file later on.
 */
import { ownIdIn, ownIdOf } from '../../shared/format/index-keys.js';
import {
  type Memory,
  recordLength,
  recordParts,
  recordSequence,
  recordTimestampNs,
} from '../../shared/format/record.js';
import { type ListVisitor, visitLists } from '../../shared/format/record-lists.js';
import { isRemoved } from '../../shared/format/removed-record.js';
import { formatEventId } from '../../shared/portable/event-id.js';
import type { PostedField } from '../../shared/portable/query/narrow.js';
import type { Segment } from './catalog.js';
import { Numbers } from './numbers.js';
import type { PlaceList, RecordPlaces, SegmentIndex, ValuePlaces } from './postings.js';
import { between, intersection, union } from './query/lists.js';
import { RawCauses } from './raw-causes.js';
import type { Run } from './run.js';
import { Terms } from './terms.js';

const NONE = new Uint32Array(0);
/** So many at most are read in the cache: of more the places are told, so that other threads may look at them. */
const FEW = 512;

/** Where the records come from. */
export interface RawSource {
  /** Third part of the store's ids. */
  readonly nodeId: string;
  loadCached(sequence: number): Run | undefined;
  /** Fill in the places in the file up to a sequence, unless the memory has let the index go. @throws ERR_CORRUPT, ERR_STORAGE */
  place(index: RawIndex, lastSequence: number): Promise<void>;
}

export class RawIndex implements SegmentIndex {
  readonly firstSequence: number;
  readonly #source: RawSource;
  readonly #terms: Readonly<Record<PostedField, Terms>> = {
    stream: new Terms(),
    type: new Terms(),
    tags: new Terms(),
    agent: new Terms(),
    session: new Terms(),
    correlationId: new Terms(),
    causes: new Terms(),
  };
  readonly #offsets = new Numbers();
  readonly #causes: RawCauses;
  readonly #parts = recordParts(new DataView(new ArrayBuffer(64)), 0);
  /** The record that is being taken in. */
  #memory: Memory | undefined;
  #at = 0;
  readonly #lists: ListVisitor;
  #next: number;
  /** Where the last record whose place is known ends. */
  #end = 0;
  #removed = 0;
  bytes = 0;
  /** Of records that were taken in, and whose places in the file are not known yet. Unit: bytes. */
  openBytes = 0;

  constructor(segment: Pick<Segment, 'firstSequence'>, source: RawSource) {
    this.firstSequence = segment.firstSequence;
    this.#source = source;
    this.#causes = new RawCauses(source.nodeId);
    this.#next = segment.firstSequence;
    this.#lists = {
      onTag: (start, end) => this.#post('tags', start, end),
      onCause: (start, end) => this.#postCause(start, end),
      onLocalCause: (distance) => this.#postLocalCause(distance),
    };
  }

  /** The first sequence that is not in it yet. */
  get nextSequence(): number {
    return this.#next;
  }

  /** The first sequence whose place in the file is not known yet: {@link nextSequence} or below. */
  get openSequence(): number {
    return this.firstSequence + this.#offsets.count;
  }

  get lastSequence(): number {
    return this.#next - 1;
  }

  get isWhole(): boolean {
    return this.#removed === 0;
  }

  /**
   * Take in a run's records up to a sequence: from {@link openSequence} on where they come from the file, or else from
   * {@link nextSequence} on. Nothing where these are not in the run.
   */
  add(run: Run, lastSequence: number): void {
    const isPlaced = run.fileOffset !== -1;
    let sequence = isPlaced ? this.openSequence : this.#next;
    if (sequence < run.firstSequence) return;
    for (const end = Math.min(run.lastSequence, lastSequence); sequence <= end; sequence++) {
      const at = run.at(sequence);
      const length = recordLength(run.memory.view, at);
      if (isPlaced) {
        this.bytes += this.#offsets.push(run.fileOffset + at);
        this.#end = run.fileOffset + at + length;
      } else {
        this.openBytes += length;
      }
      if (sequence === this.#next) this.#take(run.memory, at);
      else this.openBytes -= length;
    }
  }

  /** Leave out sequences that are not there. */
  skipTo(sequence: number): void {
    while (this.openSequence < sequence) this.bytes += this.#offsets.push(this.#end);
    this.#next = Math.max(this.#next, sequence);
  }

  async recordsAt(places: Uint32Array): Promise<RecordPlaces | undefined> {
    const [first = 0] = places;
    const last = places.at(-1) ?? -1;
    // In the cache nobody has to wait for them.
    const isCached = this.#source.loadCached(this.firstSequence + first) !== undefined;
    if (isCached && places.length <= FEW) return undefined;
    if (last >= this.#offsets.count) await this.#source.place(this, this.firstSequence + last);
    const known = this.#offsets.count;
    if (last >= known) return undefined;
    return {
      starts: Float64Array.from(places, (place) => this.#offsets.at(place)),
      ends: Float64Array.from(places, (place) => (place + 1 < known ? this.#offsets.at(place + 1) : this.#end)),
    };
  }

  valuesOf(field: PostedField): number {
    return this.#terms[field].count;
  }

  async ofValue(field: PostedField, value: string): Promise<PlaceList> {
    const terms = this.#terms[field];
    const term = terms.find(value);
    if (term !== undefined) return this.#listOfTerm(terms, term);
    return this.#listOf(value, field === 'causes' ? this.#causes.ofValue(value) : NONE);
  }

  async ofPrefix(field: PostedField, prefix: string, isWanted?: (value: string) => boolean): Promise<PlaceList> {
    const lists: ValuePlaces[] = [];
    for (const list of this.#withPrefix(field, prefix)) if (isWanted?.(list.value) !== false) lists.push(list);
    const within = async (low: number, high: number): Promise<Uint32Array> =>
      union(await Promise.all(lists.map((list) => list.within(low, high))));
    return {
      count: lists.reduce((sum, list) => sum + list.count, 0),
      within,
      among: async (places) => intersection(places, await within(this.firstSequence, this.lastSequence)),
    };
  }

  async *ofEach(field: PostedField, prefix: string): AsyncGenerator<ValuePlaces> {
    // As they are now, all of them: while others wait for what they are given, the index may grow.
    yield* [...this.#withPrefix(field, prefix)];
  }

  *#withPrefix(field: PostedField, prefix: string): Generator<ValuePlaces> {
    const terms = this.#terms[field];
    for (const term of terms.withPrefix(prefix)) yield this.#listOfTerm(terms, term);
    if (field === 'causes')
      for (const [value, list] of this.#causes.withPrefix(prefix)) yield this.#listOf(value, list);
  }

  /** As it is now, whatever is taken in later. */
  #listOfTerm(terms: Terms, term: number): ValuePlaces {
    const [first, last] = [terms.firstOf(term), terms.lastOf(term)];
    return {
      value: terms.valueOf(term),
      count: terms.countOf(term),
      first,
      last,
      within: async (low, high) =>
        terms.placesOf(term, low - this.firstSequence, Math.min(last, high - this.firstSequence)),
      among: async (places) => intersection(places, terms.placesOf(term, places[0] ?? 0, places.at(-1) ?? -1)),
    };
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

  /** The record of the next sequence. */
  #take(memory: Memory, at: number): void {
    if (isRemoved(memory.view, at)) {
      this.#removed++;
    } else {
      this.#memory = memory;
      this.#at = at;
      const parts = recordParts(memory.view, at, this.#parts);
      this.#post('stream', parts.stream, parts.type);
      this.#post('type', parts.type, parts.agent);
      if (parts.session > parts.agent) this.#post('agent', parts.agent, parts.session);
      if (parts.correlation > parts.session) this.#post('session', parts.session, parts.correlation);
      if (parts.key > parts.correlation) this.#post('correlationId', parts.correlation, parts.key);
      if (parts.metadata > parts.lists) visitLists(memory.view, at, parts.lists, this.#lists);
      this.#memory = undefined;
    }
    this.#next++;
  }

  get #ordinal(): number {
    return this.#next - this.firstSequence;
  }

  #post(field: PostedField, start: number, end: number): void {
    this.bytes += this.#terms[field].post(this.#memory!.bytes, start, end, this.#ordinal);
  }

  #postCause(start: number, end: number): void {
    const id = ownIdIn(this.#memory!.bytes.toString('latin1', start, end), this.#source.nodeId);
    if (id === undefined) this.#post('causes', start, end);
    else this.bytes += this.#causes.add(id, this.#ordinal);
  }

  /** Of the same append: as many places back as nanoseconds. */
  #postLocalCause(distance: number): void {
    const { view } = this.#memory!;
    const timestampNs = recordTimestampNs(view, this.#at) - BigInt(distance);
    const sequence = recordSequence(view, this.#at) - distance;
    const id = ownIdOf(timestampNs, sequence);
    if (id !== undefined) {
      this.bytes += this.#causes.add(id, this.#ordinal);
      return;
    }
    const bytes = Buffer.from(formatEventId(timestampNs, sequence, this.#source.nodeId));
    this.bytes += this.#terms.causes.post(bytes, 0, bytes.length, this.#ordinal);
  }
}
