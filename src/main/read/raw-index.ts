/**
 * Postings of a segment that has no index file: for each stream, type, tag, agent, session and correlation id, the records
 * that have it; and where each record stands. Built from durable bytes when a query first wants it, continued from where
 * the last build ended, and let go when its memory is wanted elsewhere. Never an authority on bytes: what it finds is read
 * back and verified, and matched again where more than one field is asked for.
 */
import { recordLength } from '../../shared/format/record.js';
import type { PostedField } from '../../shared/portable/query/narrow.js';
import { type Matcher, matchesName, type ParsedSelector } from '../../shared/portable/selector.js';
import type { Segment } from './catalog.js';
import type { Postings } from './postings.js';
import { RecordHeader } from './record-header.js';
import type { Records } from './records.js';
import type { Run } from './run.js';

/** What a term costs beside its characters and postings, about. Unit: bytes. */
const TERM_BYTES = 150;

/** Fields of a selector, each a letter before its terms. */
const FIELD = { streams: 's', types: 't', tags: 'g', agent: 'a', session: 'e', correlationId: 'c' } as const;
/** The same letters by the names that queries have for the fields; of causes there are no postings here. */
const LETTERS: Readonly<Partial<Record<PostedField, string>>> = { ...FIELD, stream: 's', type: 't' };

const NONE = new Uint32Array(0);

/** Ascending numbers in as little memory as is easy. */
class Numbers {
  #values = new Uint32Array(2);
  #count = 0;

  /** Returns how many bytes the memory has grown by. */
  push(value: number): number {
    let grown = 0;
    if (this.#count === this.#values.length) {
      const larger = new Uint32Array(this.#count * 2);
      larger.set(this.#values);
      grown = this.#values.byteLength;
      this.#values = larger;
    }
    this.#values[this.#count++] = value;
    return grown;
  }

  at(place: number): number {
    return this.#values[place]!;
  }

  get count(): number {
    return this.#count;
  }

  get values(): Uint32Array {
    return this.#values.subarray(0, this.#count);
  }
}

/** The first and last record of a stream in a segment. */
export interface StreamRange {
  readonly stream: string;
  readonly firstSequence: number;
  readonly lastSequence: number;
}

export class RawIndex implements Postings {
  readonly #segment: Segment;
  readonly #terms = new Map<string, Numbers>();
  readonly #offsets = new Numbers();
  #next: number;
  /** Where the last record ends. */
  #end = 0;
  bytes = 0;

  constructor(segment: Segment) {
    this.#segment = segment;
    this.#next = segment.firstSequence;
  }

  /** The first sequence that is not in it yet. */
  get nextSequence(): number {
    return this.#next;
  }

  /** Take in a run's records from {@link nextSequence} on. */
  add(run: Run, lastSequence: number): void {
    for (const end = Math.min(run.lastSequence, lastSequence); this.#next <= end; this.#next++) {
      const at = run.at(this.#next);
      const header = new RecordHeader(run.memory, at);
      const ordinal = this.#next - this.#segment.firstSequence;
      this.bytes += this.#offsets.push(run.fileOffset + at);
      this.#end = run.fileOffset + at + recordLength(run.memory.view, at);
      this.#post(FIELD.streams + header.stream, ordinal);
      this.#post(FIELD.types + header.type, ordinal);
      for (const tag of new Set(header.tags)) this.#post(FIELD.tags + tag, ordinal);
      if (header.agent !== undefined) this.#post(FIELD.agent + header.agent, ordinal);
      if (header.session !== undefined) this.#post(FIELD.session + header.session, ordinal);
      if (header.correlationId !== undefined) this.#post(FIELD.correlationId + header.correlationId, ordinal);
    }
  }

  /** Leave out sequences that are not there. */
  skipTo(sequence: number): void {
    for (; this.#next < sequence; this.#next++) this.bytes += this.#offsets.push(this.#end);
  }

  /** Where a record begins in the segment's file, by its place in the segment. Unit: bytes. */
  offsetAt(ordinal: number): number {
    return this.#offsets.at(ordinal);
  }

  /** Where the next record begins, or the last one ends. Unit: bytes. */
  endAt(ordinal: number): number {
    return ordinal + 1 < this.#offsets.count ? this.#offsets.at(ordinal + 1) : this.#end;
  }

  /** Whether the candidates of the selectors are what matches them, and no more: each names a single field. */
  isExact(selectors: readonly ParsedSelector[]): boolean {
    return selectors.every((selector) => Object.keys(selector).length === 1 && (selector.tags?.length ?? 1) === 1);
  }

  /**
   * The records of a range that may match any of the selectors, by their places in the segment, ascending: each by its
   * rarest field. Holds until more is taken in.
   */
  candidates(selectors: readonly ParsedSelector[], low: number, high: number): Uint32Array {
    const lists = selectors.flatMap((selector) => this.#rarest(selector)).map((list) => this.#within(list, low, high));
    if (lists.length === 1) return lists[0]!;
    return Uint32Array.from(new Set(lists.flatMap((list) => [...list]))).sort();
  }

  ofValue(field: PostedField, value: string, low: number, high: number): Uint32Array | undefined {
    const letter = LETTERS[field];
    if (letter === undefined) return undefined;
    const list = this.#terms.get(letter + value)?.values;
    return list === undefined ? NONE : this.#within(list, low, high);
  }

  ofPrefix(field: PostedField, prefix: string, low: number, high: number): Uint32Array[] | undefined {
    const lists = this.ofEach(field, low, high, prefix);
    return lists && Array.from(lists, ([, list]) => list);
  }

  ofEach(field: PostedField, low: number, high: number, prefix = ''): Iterable<[string, Uint32Array]> | undefined {
    const letter = LETTERS[field];
    return letter === undefined ? undefined : this.#lists(letter, prefix, low, high);
  }

  *#lists(letter: string, prefix: string, low: number, high: number): Generator<[string, Uint32Array]> {
    for (const [term, { values }] of this.#terms) {
      if (term.startsWith(letter) && term.startsWith(prefix, 1)) yield [term.slice(1), this.#within(values, low, high)];
    }
  }

  /** The part of a list that is in a range. */
  #within(list: Uint32Array, low: number, high: number): Uint32Array {
    return list.subarray(this.#placeIn(list, low), this.#placeIn(list, high + 1));
  }

  /** How many of a list's records come before a sequence. */
  #placeIn(list: Uint32Array, sequence: number): number {
    const ordinal = sequence - this.#segment.firstSequence;
    let low = 0;
    let high = list.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (list[middle]! < ordinal) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** The streams with records here. */
  *streams(): Generator<StreamRange> {
    for (const [term, postings] of this.#terms) {
      if (!term.startsWith(FIELD.streams)) continue;
      const { values } = postings;
      yield {
        stream: term.slice(1),
        firstSequence: this.#segment.firstSequence + values[0]!,
        lastSequence: this.#segment.firstSequence + values.at(-1)!,
      };
    }
  }

  #rarest(selector: ParsedSelector): Uint32Array[] {
    const fields: Uint32Array[][] = [];
    if (selector.streams !== undefined) fields.push(this.#named(FIELD.streams, selector.streams));
    if (selector.types !== undefined) fields.push(this.#named(FIELD.types, selector.types));
    for (const tag of selector.tags ?? []) fields.push(this.#exact(FIELD.tags, [tag]));
    if (selector.agent !== undefined) fields.push(this.#exact(FIELD.agent, selector.agent));
    if (selector.session !== undefined) fields.push(this.#exact(FIELD.session, selector.session));
    if (selector.correlationId !== undefined) fields.push(this.#exact(FIELD.correlationId, selector.correlationId));
    const count = (lists: readonly Uint32Array[]): number => lists.reduce((sum, list) => sum + list.length, 0);
    return fields.reduce((best, lists) => (count(lists) < count(best) ? lists : best));
  }

  #exact(field: string, values: readonly string[]): Uint32Array[] {
    return values.flatMap((value) => this.#terms.get(field + value)?.values ?? []);
  }

  #named(field: string, matchers: readonly Matcher[]): Uint32Array[] {
    if (matchers.every((matcher) => 'value' in matcher)) {
      return this.#exact(
        field,
        matchers.map((matcher) => matcher.value),
      );
    }
    const lists: Uint32Array[] = [];
    for (const [term, postings] of this.#terms) {
      if (!term.startsWith(field)) continue;
      if (matchers.some((matcher) => matchesName(matcher, term.slice(1)))) lists.push(postings.values);
    }
    return lists;
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
  readonly #budget: number;
  /** The longest unused first. */
  readonly #indexes = new Map<number, RawIndex>();
  /** Segments whose index alone is over the budget. */
  readonly #tooLarge = new Set<number>();

  constructor(records: Records, budgetBytes: number) {
    this.#records = records;
    this.#budget = budgetBytes;
  }

  /** Memory in use, about. */
  get bytes(): number {
    let bytes = 0;
    for (const index of this.#indexes.values()) bytes += index.bytes;
    return bytes;
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
    const index = this.#indexes.get(segment.number) ?? new RawIndex(segment);
    this.#indexes.delete(segment.number);
    this.#indexes.set(segment.number, index);
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
      this.#makeRoom(segment.number);
      if (index.bytes <= this.#budget) continue;
      this.#indexes.delete(segment.number);
      this.#tooLarge.add(segment.number);
      return undefined;
    }
    return index;
  }

  #makeRoom(keep: number): void {
    let { bytes } = this;
    for (const [number, index] of this.#indexes) {
      if (bytes <= this.#budget) return;
      if (number === keep) continue;
      this.#indexes.delete(number);
      bytes -= index.bytes;
    }
  }
}
