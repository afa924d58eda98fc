/**
 * The values that records have in a field, found by their UTF-8 bytes, each with the places of the records that have it. A value is
 * made a string where it is first met, and only there.
 */
import { randomInt } from 'node:crypto';
import { Numbers } from './numbers.js';

/** What a term costs beside its value and its places, about. Unit: bytes. */
const TERM_BYTES = 180;
const SLOTS = 16;
const TEXT_BYTES = 256;
/** Stands in a string for bytes that are no UTF-8. */
const REPLACEMENT = '\ufffd';

export interface Term {
  readonly value: string;
  readonly places: Numbers;
}

interface Entry extends Term {
  readonly hash: number;
  /** Where its bytes begin, and how many they are. */
  readonly start: number;
  readonly length: number;
}

export class Terms {
  /** So that nobody can choose values that all have one hash. */
  readonly #seed = randomInt(2 ** 32);
  readonly #entries: Entry[] = [];
  /** Places in {@link #entries}, plus 1; 0 where nothing is. */
  #slots = new Uint32Array(SLOTS);
  /** The bytes of all, one after the other. */
  #text = new Uint8Array(TEXT_BYTES);
  #textEnd = 0;

  /** A record has a value. Returns how many bytes the memory has grown by. */
  post(bytes: Buffer, start: number, end: number, place: number): number {
    const hash = this.#hash(bytes, start, end);
    const entry = this.#entries[this.#slots[this.#slotOf(bytes, start, end, hash)]! - 1];
    if (entry === undefined) return this.#begin(bytes, start, end, hash, place);
    const { places } = entry;
    // A record that has it twice is posted once.
    return places.last === place ? 0 : places.push(place);
  }

  get(value: string): Term | undefined {
    const bytes = Buffer.from(value);
    const hash = this.#hash(bytes, 0, bytes.length);
    const entry = this.#entries[this.#slots[this.#slotOf(bytes, 0, bytes.length, hash)]! - 1];
    // Not every string comes back from its bytes.
    return entry?.value === value ? entry : undefined;
  }

  /** All of them, and those that are met meanwhile. */
  [Symbol.iterator](): Iterator<Term> {
    return this.#entries.values();
  }

  /** Where a value is, or would be. */
  #slotOf(bytes: Uint8Array, start: number, end: number, hash: number): number {
    const slots = this.#slots;
    const mask = slots.length - 1;
    for (let slot = hash & mask; ; slot = (slot + 1) & mask) {
      const number = slots[slot]!;
      if (number === 0) return slot;
      const entry = this.#entries[number - 1]!;
      if (entry.hash === hash && entry.length === end - start && this.#isAt(entry.start, bytes, start, end))
        return slot;
    }
  }

  #isAt(at: number, bytes: Uint8Array, start: number, end: number): boolean {
    const text = this.#text;
    for (let from = start, to = at; from < end; from++, to++) if (bytes[from] !== text[to]) return false;
    return true;
  }

  #begin(bytes: Buffer, start: number, end: number, hash: number, place: number): number {
    const value = bytes.toString('utf8', start, end);
    if (value.includes(REPLACEMENT)) {
      // Several bytes become this string: they are one value.
      const own = Buffer.from(value);
      if (!own.equals(bytes.subarray(start, end))) return this.post(own, 0, own.length, place);
    }
    const length = end - start;
    const grown = this.#makeRoom(length);
    const places = new Numbers();
    places.push(place);
    this.#text.set(bytes.subarray(start, end), this.#textEnd);
    this.#entries.push({ value, places, hash, start: this.#textEnd, length });
    this.#slots[this.#slotOf(bytes, start, end, hash)] = this.#entries.length;
    this.#textEnd += length;
    return grown + TERM_BYTES + value.length;
  }

  /** For one more. Returns how many bytes the memory has grown by. */
  #makeRoom(length: number): number {
    let grown = 0;
    if (this.#textEnd + length > this.#text.length) {
      const larger = new Uint8Array(Math.max(this.#text.length * 2, this.#textEnd + length));
      larger.set(this.#text);
      grown += larger.length - this.#text.length;
      this.#text = larger;
    }
    // A quarter at least stays free.
    if ((this.#entries.length + 1) * 4 > this.#slots.length * 3) {
      grown += this.#slots.byteLength;
      this.#slots = new Uint32Array(this.#slots.length * 2);
      const mask = this.#slots.length - 1;
      this.#entries.forEach(({ hash }, i) => {
        let slot = hash & mask;
        while (this.#slots[slot] !== 0) slot = (slot + 1) & mask;
        this.#slots[slot] = i + 1;
      });
    }
    return grown;
  }

  /** FNV-1a, begun with the seed, its bits mixed at the end. */
  #hash(bytes: Uint8Array, start: number, end: number): number {
    let hash = this.#seed | 0;
    for (let i = start; i < end; i++) hash = Math.imul(hash ^ bytes[i]!, 0x01000193);
    hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d);
    return (hash ^ (hash >>> 13)) >>> 0;
  }
}
