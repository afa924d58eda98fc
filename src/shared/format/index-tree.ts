/**
 * The dictionary of a field in an index file: a search tree of blocks, made once from its values in order. A block is closed
 * at 4 KiB or a little more.
 *
 *   u8      level: 0 for values, above for what names blocks of the level below
 *   varint  number of entries, then each
 *
 *   a value: itself (index-keys.ts), then
 *     varint  2 * number of its records, 1 more where its places are in parts elsewhere in the file
 *     varint, signed: its first place less the first one of the value before it in the block (0 before the first)
 *     with more than one record: varint last place less the first one
 *       here:      varint bytes, and these: for each place behind the first the gap before it less one, as varints
 *       elsewhere: varint offset of the first part, which the others follow, varint number of parts, and for each
 *                  varint places / 65,536, less that of the part before it and one (of the first part: 0),
 *                  varint number of its places, varint 2 * its bytes, 1 more where they are a bitmap
 *   a block: the first value in it or below it, then varint offset, varint bytes
 */
import { CHECKSUM_BYTES } from './checksum.js';
import { KeyReader, KeyWriter } from './index-keys.js';
import type { BlockRef } from './index-offsets.js';
import { PART_PLACES } from './index-postings.js';
import { ByteReader, ByteWriter, MalformedBytes } from './varint.js';

/** A block is closed at this size. Unit: bytes. */
const CLOSE_BYTES = 4096;
/** More is no block of an index file. Unit: bytes. */
export const MAX_BLOCK_BYTES = 64 * 1024;

/** A part of the places of a value. */
export interface PartRef extends BlockRef {
  /** Its number: places / 65,536. */
  readonly part: number;
  readonly count: number;
  readonly isBitmap: boolean;
}

/** The places of a value: here, behind the first one, or in parts elsewhere. */
export type Places = { readonly gaps: Buffer } | { readonly parts: readonly PartRef[] };

/** Of a value that a single record has. */
export const NO_GAPS: Places = { gaps: Buffer.alloc(0) };

export interface ValueEntry {
  readonly key: string;
  readonly count: number;
  readonly first: number;
  readonly last: number;
  readonly places: Places;
}

export interface BlockEntry extends BlockRef {
  readonly key: string;
}

/** Writes a block, entry by entry. */
export class TreeBlockWriter {
  readonly #keys: KeyWriter;
  readonly #writer = new ByteWriter();
  readonly #level: number;
  #count = 0;
  #first = 0;
  /** The first key of the block. */
  key = '';

  constructor(level: number, nodeId: string) {
    this.#keys = new KeyWriter(nodeId);
    this.#level = level;
  }

  get isEmpty(): boolean {
    return this.#count === 0;
  }

  get isFull(): boolean {
    return this.#writer.length >= CLOSE_BYTES;
  }

  addValue({ key, count, first, last, places }: ValueEntry): void {
    this.#begin(key);
    this.#keys.write(this.#writer, key);
    this.#writer.varint(2 * count + ('parts' in places ? 1 : 0));
    this.#writer.signed(first - this.#first);
    this.#first = first;
    if (count === 1) return;
    this.#writer.varint(last - first);
    if ('gaps' in places) {
      this.#writer.varint(places.gaps.length);
      this.#writer.bytes(places.gaps);
    } else {
      this.#addParts(places.parts, first);
    }
  }

  addBlock({ key, offset, length }: BlockEntry): void {
    this.#begin(key);
    this.#keys.write(this.#writer, key);
    this.#writer.varint(offset);
    this.#writer.varint(length);
  }

  /** The block, and begin another. */
  take(): Buffer {
    const head = new ByteWriter();
    head.bytes(Buffer.of(this.#level));
    head.varint(this.#count);
    head.bytes(this.#writer.take());
    this.#count = 0;
    this.#first = 0;
    this.#keys.reset();
    return head.take();
  }

  #begin(key: string): void {
    if (this.#count++ === 0) this.key = key;
  }

  #addParts(parts: readonly PartRef[], first: number): void {
    this.#writer.varint(parts[0]!.offset);
    this.#writer.varint(parts.length);
    let next = Math.floor(first / PART_PLACES);
    let { offset } = parts[0]!;
    for (const part of parts) {
      if (part.offset !== offset) throw new Error('the parts of a list do not follow each other');
      offset += part.length + CHECKSUM_BYTES;
      this.#writer.varint(part.part - next);
      next = part.part + 1;
      this.#writer.varint(part.count);
      this.#writer.varint(2 * part.length + (part.isBitmap ? 1 : 0));
    }
  }
}

/** Reads a block, entry by entry; all throw {@link MalformedBytes}. */
export class TreeBlockReader {
  readonly level: number;
  readonly #reader: ByteReader;
  readonly #keys: KeyReader;
  readonly #limit: number;
  #left: number;
  #first = 0;
  /** A block that was read to find the one before it. */
  #ahead: BlockEntry | undefined;

  /** @param limit above all places */
  constructor(bytes: Buffer, nodeId: string, limit: number) {
    this.#reader = new ByteReader(bytes);
    this.#keys = new KeyReader(nodeId);
    this.#limit = limit;
    this.level = this.#reader.bytes(1)[0]!;
    this.#left = this.#reader.varint();
  }

  get isAtEnd(): boolean {
    if (this.#left > 0 || this.#ahead !== undefined) return false;
    if (this.#reader.left > 0) throw new MalformedBytes('bytes follow a block');
    return true;
  }

  value(): ValueEntry {
    this.#left--;
    return this.#valueOf(this.#keys.read(this.#reader));
  }

  /** In a block of which nothing was read: the first value that is not below a key; undefined where all are. */
  seekValue(key: string): ValueEntry | undefined {
    while (!this.isAtEnd) {
      this.#left--;
      if (this.#keys.compare(this.#reader, key) >= 0) return this.#valueOf(this.#keys.last);
      this.#skipValue();
    }
    return undefined;
  }

  /** In a block of which nothing was read: the block that may hold a key, the last one that begins at or below it, or else the first. */
  seekBlock(key: string): BlockRef {
    const reader = this.#reader;
    // Not an object for each of them, of which there are hundreds.
    let offset = -1;
    let length = 0;
    while (!this.isAtEnd) {
      this.#left--;
      const isAbove = this.#keys.compare(reader, key) > 0;
      if (isAbove && offset !== -1) {
        this.#ahead = { key: this.#keys.last, offset: reader.varint(), length: reader.varint() };
        break;
      }
      offset = reader.varint();
      length = reader.varint();
      if (isAbove) break;
    }
    if (offset === -1) throw new MalformedBytes('a block names none');
    return { offset, length };
  }

  #skipValue(): void {
    const reader = this.#reader;
    const head = reader.varint();
    this.#first += reader.signed();
    if (head < 4) return; // a single place
    reader.varint();
    if (head % 2 === 0) {
      reader.skip(reader.varint());
      return;
    }
    reader.varint();
    for (let numbers = 3 * reader.varint(); numbers > 0; numbers--) reader.varint();
  }

  #valueOf(key: string): ValueEntry {
    const head = this.#reader.varint();
    const count = Math.floor(head / 2);
    const first = this.#first + this.#reader.signed();
    this.#first = first;
    const last = count === 1 ? first : first + this.#reader.varint();
    if (count === 0 || first < 0 || last >= this.#limit || count > last - first + 1) {
      throw new MalformedBytes('a list says what cannot be');
    }
    if (head % 2 === 1) return { key, count, first, last, places: { parts: this.#parts(count, first, last) } };
    const places = count === 1 ? NO_GAPS : { gaps: this.#reader.bytes(this.#reader.varint()) };
    return { key, count, first, last, places };
  }

  block(): BlockEntry {
    const ahead = this.#ahead;
    if (ahead !== undefined) {
      this.#ahead = undefined;
      return ahead;
    }
    this.#left--;
    const key = this.#keys.read(this.#reader);
    return { key, offset: this.#reader.varint(), length: this.#reader.varint() };
  }

  #parts(count: number, first: number, last: number): PartRef[] {
    let offset = this.#reader.varint();
    const parts: PartRef[] = [];
    let next = Math.floor(first / PART_PLACES);
    let places = 0;
    for (let left = this.#reader.varint(); left > 0; left--) {
      const part = next + this.#reader.varint();
      const ofPart = this.#reader.varint();
      const head = this.#reader.varint();
      const length = Math.floor(head / 2);
      const isBitmap = head % 2 === 1;
      const mostPlaces = isBitmap ? PART_PLACES : Math.min(length, PART_PLACES);
      if (ofPart === 0 || ofPart > mostPlaces || part * PART_PLACES > last) break;
      parts.push({ part, count: ofPart, offset, length, isBitmap });
      offset += length + CHECKSUM_BYTES;
      next = part + 1;
      places += ofPart;
    }
    if (places !== count) throw new MalformedBytes('the parts of a list are not the whole');
    return parts;
  }
}
