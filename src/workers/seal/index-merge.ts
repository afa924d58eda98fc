/** Runs are merged: the values of a field in order, each with its places in all runs, become the leaves of its dictionary. */
import { CHECKSUM_BYTES, type PlaceHasher } from '../../shared/format/checksum.js';
import { blockChecksum, type IndexedSegment } from '../../shared/format/index-file.js';
import type { BlockRef } from '../../shared/format/index-offsets.js';
import { encodePart, PART_PLACES, readFollowing } from '../../shared/format/index-postings.js';
import {
  type BlockEntry,
  type PartRef,
  TreeBlockReader,
  TreeBlockWriter,
  type ValueEntry,
} from '../../shared/format/index-tree.js';
import { ByteWriter } from '../../shared/format/varint.js';
import type { MergedPart, RunPosition, RunSection } from '../../shared/index-tasks.js';
import { shortEntry } from './index-run.js';

/** A slice takes in so many values of runs, or gives so many bytes. */
export const SLICE_ENTRIES = 4096;
export const SLICE_BYTES = 128 * 1024;
/** Places of more bytes do not stand behind their value. */
const INSIDE_BYTES = 256;

/** Reads a block of the runs, and verifies it. */
export type ReadRuns = (block: BlockRef) => Buffer;

/** Blocks of an index file that are to be written one after the other. */
export class Blocks {
  readonly #segment: IndexedSegment;
  readonly #hasher: PlaceHasher;
  readonly #start: number;
  readonly parts: Uint8Array[] = [];
  /** Where the next one begins. */
  offset: number;

  constructor(segment: IndexedSegment, hasher: PlaceHasher, offset: number) {
    this.#segment = segment;
    this.#hasher = hasher;
    this.#start = offset;
    this.offset = offset;
  }

  get bytes(): number {
    return this.offset - this.#start;
  }

  add(bytes: Buffer): BlockRef {
    const ref = { offset: this.offset, length: bytes.length };
    this.parts.push(bytes, blockChecksum(this.#segment, this.offset, bytes, this.#hasher));
    this.offset += bytes.length + CHECKSUM_BYTES;
    return ref;
  }
}

/** A field, and where its values are. */
export interface MergeSource {
  readonly segment: IndexedSegment;
  readonly places: number;
  readonly nodeId: string;
  readonly sections: readonly RunSection[];
  /** Undefined: from the first one on. */
  readonly positions: readonly RunPosition[] | undefined;
  readonly read: ReadRuns;
}

/**
 * Some values of a field.
 * @param entries of runs that are taken in at most
 * @param into what is to be written
 */
export function mergeRuns(
  source: MergeSource,
  entries: number,
  hasher: PlaceHasher,
  into: Blocks,
): { part: MergedPart; taken: number } {
  const { sections, positions, places, segment, nodeId, read } = source;
  const cursors = sections.map((section, i) => new Cursor(section, positions?.[i] ?? START, nodeId, places, read));
  const merge = new Merge(cursors.filter(({ entry }) => entry !== undefined));
  const leaf = new TreeBlockWriter(0, nodeId);
  const lists = new ListWriter(into);
  const leaves: BlockEntry[] = [];
  const hashes: Uint8Array[] = [];
  const close = (): void => {
    const { key } = leaf;
    leaves.push({ key, ...into.add(leaf.take()) });
  };
  let taken = 0;
  while (taken < entries && into.bytes < SLICE_BYTES) {
    const same = merge.next();
    if (same.length === 0) break;
    taken += same.length;
    const entry = lists.entryOf(same);
    leaf.addValue(entry);
    hashes.push(hasher.digest(segment.number, Buffer.from(entry.key, 'latin1')));
    if (leaf.isFull) close();
  }
  if (!leaf.isEmpty) close();
  const next = merge.isAtEnd ? undefined : cursors.map(({ position }) => position);
  return { part: { leaves, hashes: Buffer.concat(hashes), positions: next }, taken };
}

const START: RunPosition = { block: 0, entry: 0 };

/** The entries of a field in a run, one after the other. */
class Cursor {
  readonly #section: RunSection;
  readonly #nodeId: string;
  readonly #places: number;
  readonly #read: ReadRuns;
  #block: number;
  /** Of {@link entry} in its block. */
  #place = -1;
  #offset: number;
  #reader: TreeBlockReader | undefined;
  entry: ValueEntry | undefined;

  constructor(section: RunSection, { block, entry }: RunPosition, nodeId: string, places: number, read: ReadRuns) {
    this.#section = section;
    this.#nodeId = nodeId;
    this.#places = places;
    this.#read = read;
    this.#block = block;
    this.#offset = section.lengths
      .slice(0, block)
      .reduce((sum, length) => sum + length + CHECKSUM_BYTES, section.offset);
    this.#open();
    for (let left = entry; left >= 0; left--) this.advance();
  }

  get position(): RunPosition {
    return { block: this.#block, entry: Math.max(0, this.#place) };
  }

  advance(): void {
    while (this.#reader?.isAtEnd === true) {
      this.#offset += this.#section.lengths[this.#block]! + CHECKSUM_BYTES;
      this.#block++;
      this.#place = -1;
      this.#open();
    }
    this.entry = this.#reader?.value();
    this.#place++;
  }

  #open(): void {
    const length = this.#section.lengths[this.#block];
    this.#reader = undefined;
    if (length === undefined) return;
    this.#reader = new TreeBlockReader(this.#read({ offset: this.#offset, length }), this.#nodeId, this.#places);
  }
}

/** A heap of cursors, by their keys and, among those, by the order of the runs. */
class Merge {
  readonly #heap: { readonly cursor: Cursor; readonly order: number; key: string }[] = [];
  /** Those whose entries were handed out, and are to move on. */
  #due: Cursor[] = [];
  readonly #orders = new Map<Cursor, number>();

  constructor(cursors: readonly Cursor[]) {
    for (const [order, cursor] of cursors.entries()) {
      this.#orders.set(cursor, order);
      this.#push(cursor);
    }
  }

  get isAtEnd(): boolean {
    this.#moveOn();
    return this.#heap.length === 0;
  }

  /** The entries of the least key, in the order of the runs; they hold until the next call. */
  next(): ValueEntry[] {
    this.#moveOn();
    const same: ValueEntry[] = [];
    const key = this.#heap[0]?.key;
    while (key !== undefined && this.#heap[0]?.key === key) {
      const cursor = this.#pop();
      same.push(cursor.entry!);
      this.#due.push(cursor);
    }
    return same;
  }

  #moveOn(): void {
    for (const cursor of this.#due) {
      cursor.advance();
      if (cursor.entry !== undefined) this.#push(cursor);
    }
    this.#due = [];
  }

  #push(cursor: Cursor): void {
    const heap = this.#heap;
    heap.push({ cursor, order: this.#orders.get(cursor)!, key: cursor.entry!.key });
    for (let at = heap.length - 1; at > 0; ) {
      const parent = (at - 1) >>> 1;
      if (!this.#isBefore(at, parent)) break;
      [heap[at], heap[parent]] = [heap[parent]!, heap[at]!];
      at = parent;
    }
  }

  #pop(): Cursor {
    const heap = this.#heap;
    const { cursor } = heap[0]!;
    const last = heap.pop()!;
    if (heap.length > 0) heap[0] = last;
    for (let at = 0; ; ) {
      let least = at;
      for (const child of [2 * at + 1, 2 * at + 2]) {
        if (child < heap.length && this.#isBefore(child, least)) least = child;
      }
      if (least === at) break;
      [heap[at], heap[least]] = [heap[least]!, heap[at]!];
      at = least;
    }
    return cursor;
  }

  #isBefore(one: number, other: number): boolean {
    const [a, b] = [this.#heap[one]!, this.#heap[other]!];
    return a.key < b.key || (a.key === b.key && a.order < b.order);
  }
}

/** Puts the places of a value in all runs together: behind it where they are few, or in parts. */
class ListWriter {
  readonly #into: Blocks;
  readonly #gaps = new ByteWriter();
  readonly #part = new Uint32Array(PART_PLACES);

  constructor(into: Blocks) {
    this.#into = into;
  }

  /** @param entries of one key, in the order of their places */
  entryOf(entries: readonly ValueEntry[]): ValueEntry {
    const [only] = entries;
    const isShort = only !== undefined && 'gaps' in only.places && only.places.gaps.length <= INSIDE_BYTES;
    if (entries.length === 1 && isShort) return only;
    const { key, first } = entries[0]!;
    const { last } = entries.at(-1)!;
    const count = entries.reduce((sum, entry) => sum + entry.count, 0);
    // A gap takes a byte or more.
    if (count <= INSIDE_BYTES + 1) {
      const entry = shortEntry(key, joined(entries, count), this.#gaps);
      if ('gaps' in entry.places && entry.places.gaps.length <= INSIDE_BYTES) return entry;
    }
    return { key, count, first, last, places: { parts: this.#partsOf(entries) } };
  }

  #partsOf(entries: readonly ValueEntry[]): PartRef[] {
    const parts: PartRef[] = [];
    let [part, count] = [0, 0];
    const close = (): void => {
      if (count === 0) return;
      const { bytes, isBitmap } = encodePart(this.#part.subarray(0, count));
      parts.push({ part, count, isBitmap, ...this.#into.add(bytes) });
      count = 0;
    };
    for (const entry of entries) {
      for (const place of placesOf(entry)) {
        const own = Math.floor(place / PART_PLACES);
        if (own !== part) close();
        part = own;
        this.#part[count++] = place - own * PART_PLACES;
      }
    }
    close();
    return parts;
  }
}

function placesOf({ places, count, first, last }: ValueEntry): Uint32Array {
  if (!('gaps' in places)) throw new Error('a run has a list in parts');
  return readFollowing(places.gaps, count, first, last + 1);
}

function joined(entries: readonly ValueEntry[], count: number): Uint32Array {
  const places = new Uint32Array(count);
  let at = 0;
  for (const entry of entries) {
    places.set(placesOf(entry), at);
    at += entry.count;
  }
  return places;
}
