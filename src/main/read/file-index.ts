/** The index of a segment that is in a file. */
import { setImmediate as giveThreadBack } from 'node:timers/promises';
import { keyOf, textOf } from '../../shared/format/index-keys.js';
import { CHUNK_RECORDS } from '../../shared/format/index-offsets.js';
import { decodePart, PART_PLACES, readFollowing } from '../../shared/format/index-postings.js';
import type { PartRef, ValueEntry } from '../../shared/format/index-tree.js';
import { RECORD_ALIGNMENT } from '../../shared/format/record.js';
import type { PostedField } from '../../shared/portable/query/narrow.js';
import type { EntryCursor, IndexReader } from './index-reader.js';
import type { PlaceList, RecordPlaces, SegmentIndex, ValuePlaces } from './postings.js';
import { between, intersection } from './query/lists.js';
import type { Steps } from './segment-blocks.js';

/** Does steps on the file. */
type RunSteps = <T>(steps: Steps<T>) => Promise<T>;

/** A pass over a dictionary gives the thread back after so long. */
const TURN_MS = 5;
/** Entries that are taken from it at once. */
const AT_ONCE = 512;
const NONE = new Uint32Array(0);
/** Of so many chunks of offsets, all wanted, those are read together that one read brings; and no more of them are looked for. */
const LONG_ROW = 8;
const LONGEST_ROW = 64;
/** Where no list is, so that all are asked the same. */
const NO_RECORDS: PlaceList = { count: 0, within: async () => NONE, among: async () => NONE };

/** All its reads throw IndexDamage. */
export class FileIndex implements SegmentIndex {
  readonly firstSequence: number;
  readonly lastSequence: number;
  readonly #reader: IndexReader;
  readonly #run: RunSteps;

  constructor(reader: IndexReader, run: RunSteps) {
    this.#reader = reader;
    this.#run = run;
    this.firstSequence = reader.header.segment.firstSequence;
    this.lastSequence = this.firstSequence + reader.header.places - 1;
  }

  get isWhole(): boolean {
    const { segment, places } = this.#reader.header;
    return segment.count === places;
  }

  valuesOf(field: PostedField): number {
    return this.#reader.header.fields[field].values;
  }

  async ofValue(field: PostedField, value: string): Promise<PlaceList> {
    // What is not well-formed would be looked for as something else.
    if (!value.isWellFormed()) return NO_RECORDS;
    const entry = await this.#run(this.#reader.find(field, keyOf(value)));
    return entry === undefined ? NO_RECORDS : this.#listOf(entry);
  }

  async ofPrefix(field: PostedField, prefix: string, isWanted?: (value: string) => boolean): Promise<PlaceList> {
    let count = 0;
    let only: ValuePlaces | undefined;
    let values = 0;
    for await (const list of this.ofEach(field, prefix)) {
      if (isWanted?.(list.value) === false) continue;
      count += list.count;
      values++;
      only = list;
    }
    if (values <= 1) return only ?? NO_RECORDS;
    const { places } = this.#reader.header;
    const all = async (low: number, high: number): Promise<Uint32Array> => {
      // A bit a record: the lists may be as many as there are records.
      const found = new PlaceSet(Math.min(places, Math.max(0, high - this.firstSequence + 1)));
      for await (const list of this.ofEach(field, prefix)) {
        if (isWanted?.(list.value) !== false) found.add(await list.within(low, high));
      }
      return found.places();
    };
    return {
      count,
      within: all,
      among: async (some) => {
        if (some.length === 0) return some;
        return intersection(some, await all(this.firstSequence + some[0]!, this.firstSequence + some.at(-1)!));
      },
    };
  }

  async *ofEach(field: PostedField, prefix: string): AsyncGenerator<ValuePlaces> {
    // The half of a character at its end is no UTF-8: what begins with the rest is looked through.
    const whole = prefix.isWellFormed() ? prefix : prefix.slice(0, -1);
    if (!whole.isWellFormed()) return;
    const beginning = keyOf(whole);
    const cursor = this.#reader.entriesFrom(field, beginning);
    let began = performance.now();
    for (;;) {
      // What comes from memory, or is read at once, awaits nothing.
      if (performance.now() - began >= TURN_MS) {
        await giveThreadBack();
        began = performance.now();
      }
      const entries = await this.#run(entriesOf(cursor, beginning));
      for (const entry of entries) {
        const value = textOf(entry.key);
        if (value.startsWith(prefix)) yield this.#listOf(entry, value);
      }
      if (entries.length < AT_ONCE) return;
    }
  }

  async recordsAt(places: Uint32Array): Promise<RecordPlaces> {
    const found = { starts: new Float64Array(places.length), ends: new Float64Array(places.length) };
    for (let i = 0; i < places.length; ) {
      const first = chunkOf(places[i]!);
      const row = rowOf(places, i);
      if (row < LONG_ROW) {
        i = await this.#run(this.#reader.recordsInChunk(places, i, found));
        continue;
      }
      const chunks = await this.#run(this.#reader.offsetsInRow(first, row));
      for (; i < places.length && chunkOf(places[i]!) < first + chunks.length; i++) {
        const offsets = chunks[chunkOf(places[i]!) - first]!;
        const at = places[i]! % CHUNK_RECORDS;
        found.starts[i] = offsets[at]! * RECORD_ALIGNMENT;
        found.ends[i] = offsets[at + 1]! * RECORD_ALIGNMENT;
      }
    }
    return found;
  }

  #listOf(entry: ValueEntry, value = ''): ValuePlaces {
    const { count, first, last, places } = entry;
    const base = this.firstSequence;
    if ('gaps' in places) {
      let list: Uint32Array | undefined;
      const all = (): Uint32Array => {
        list ??= readFollowing(places.gaps, count, first, this.#reader.header.places);
        return list;
      };
      return {
        ...{ value, count, first, last },
        within: (low, high) => this.#run(done(() => between(all(), low - base, high - base))),
        among: (some) => this.#run(done(() => intersection(some, all()))),
      };
    }
    return {
      ...{ value, count, first, last },
      within: async (low, high) =>
        between(await this.#partsWithin(places.parts, low - base, high - base), low - base, high - base),
      among: async (some) => {
        const found: Uint32Array[] = [];
        for (const part of places.parts) {
          const own = between(some, part.part * PART_PLACES, (part.part + 1) * PART_PLACES - 1);
          if (own.length > 0) found.push(intersection(own, await this.#placesOf([part])));
        }
        return joined(found);
      },
    };
  }

  #partsWithin(parts: readonly PartRef[], low: number, high: number): Promise<Uint32Array> {
    return this.#placesOf(parts.filter(({ part }) => part * PART_PLACES <= high && (part + 1) * PART_PLACES > low));
  }

  async #placesOf(parts: readonly PartRef[]): Promise<Uint32Array> {
    const places = new Uint32Array(parts.reduce((sum, { count }) => sum + count, 0));
    let at = 0;
    for (const part of parts) {
      await this.#run(this.#decode(part, places, at));
      at += part.count;
    }
    return places;
  }

  *#decode(part: PartRef, into: Uint32Array, at: number): Steps<void> {
    const bytes = yield* this.#reader.block(part);
    decodePart({ bytes, isBitmap: part.isBitmap }, part.count, part.part * PART_PLACES, into, at);
  }
}

function chunkOf(place: number): number {
  return Math.floor(place / CHUNK_RECORDS);
}

/** How many chunks follow each other, each with some of the places, from that of one on. */
function rowOf(places: Uint32Array, from: number): number {
  const first = chunkOf(places[from]!);
  let last = first;
  for (let i = from; last - first + 1 < LONGEST_ROW && chunkOf(places[i] ?? Infinity) <= last + 1; i++)
    last = chunkOf(places[i]!);
  return last - first + 1;
}

/** The next entries whose keys begin so. */
function* entriesOf(cursor: EntryCursor, beginning: string): Steps<ValueEntry[]> {
  const entries: ValueEntry[] = [];
  while (entries.length < AT_ONCE) {
    const entry = yield* cursor.next();
    if (entry === undefined || !entry.key.startsWith(beginning)) break;
    entries.push(entry);
  }
  return entries;
}

/** What needs no bytes, but may find that those there are do not decode. */
// biome-ignore lint/correctness/useYield: it is run as steps that read are
function* done<T>(make: () => T): Steps<T> {
  return make();
}

function joined(lists: readonly Uint32Array[]): Uint32Array {
  if (lists.length === 1) return lists[0]!;
  const all = new Uint32Array(lists.reduce((sum, list) => sum + list.length, 0));
  let at = 0;
  for (const list of lists) {
    all.set(list, at);
    at += list.length;
  }
  return all;
}

/** Places, however many lists they come from. */
class PlaceSet {
  readonly #bits: Uint8Array;

  constructor(places: number) {
    this.#bits = new Uint8Array(Math.ceil(places / 8));
  }

  add(places: Uint32Array): void {
    for (const place of places) this.#bits[place >>> 3]! |= 1 << (place & 7);
  }

  places(): Uint32Array {
    let count = 0;
    for (const byte of this.#bits) for (let bits = byte; bits !== 0; bits &= bits - 1) count++;
    const places = new Uint32Array(count);
    let at = 0;
    for (let i = 0; i < this.#bits.length; i++) {
      for (let bits = this.#bits[i]!; bits !== 0; bits &= bits - 1)
        places[at++] = i * 8 + 31 - Math.clz32(bits & -bits);
    }
    return places;
  }
}
