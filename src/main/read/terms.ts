/**
 * The values that records have in a field, found by their UTF-8 bytes, each with the places of the records that have it. All of it is in
 * a few arrays: an object for each value would take several times as much, and there may be one for each record.
 */
import { randomInt } from 'node:crypto';
import { hashOf } from './bytes-hash.js';

const SLOTS = 16;
const TEXT_BYTES = 256;

/** What is kept of a value, as so many numbers in a row. */
const TERM = { hash: 0, start: 1, length: 2, count: 3, first: 4, newest: 5 } as const;
const TERM_NUMBERS = 6;
/** What is kept of a place: itself, and where the one before it is kept. */
const POSTING_NUMBERS = 2;

export class Terms {
  /** So that nobody can choose values that all have one hash. */
  readonly #seed = randomInt(2 ** 32);
  #terms = new Uint32Array(SLOTS * TERM_NUMBERS);
  #count = 0;
  #postings = new Uint32Array(SLOTS * POSTING_NUMBERS);
  #posted = 0;
  /** Numbers of terms, plus 1; 0 where nothing is. */
  #slots = new Uint32Array(SLOTS);
  /** The bytes of all, one after the other. */
  #text = Buffer.alloc(TEXT_BYTES);
  #textEnd = 0;

  /** How many there are, each known by a number below. */
  get count(): number {
    return this.#count;
  }

  /** A record has a value. Returns how many bytes the memory has grown by. */
  post(bytes: Buffer, start: number, end: number, place: number): number {
    const hash = hashOf(bytes, start, end, this.#seed);
    const slot = this.#slotOf(bytes, start, end, hash);
    const number = this.#slots[slot]! - 1;
    if (number === -1) return this.#begin(bytes, start, end, hash, place);
    const newest = number * TERM_NUMBERS + TERM.newest;
    const before = this.#terms[newest]!;
    // A record that has it twice is posted once.
    if (this.#postings[before] === place) return 0;
    return this.#push(number, place, before);
  }

  /** Of a value. */
  find(value: string): number | undefined {
    const bytes = Buffer.from(value);
    const hash = hashOf(bytes, 0, bytes.length, this.#seed);
    const number = this.#slots[this.#slotOf(bytes, 0, bytes.length, hash)]! - 1;
    // Not every string comes back from its bytes.
    return number === -1 || this.valueOf(number) !== value ? undefined : number;
  }

  /** Of the values with a beginning, in the order in which they were met. */
  *withPrefix(prefix: string): Generator<number> {
    const isWhole = prefix.isWellFormed();
    // A character of which only the first half is asked for has no bytes of its own.
    const bytes = Buffer.from(isWhole ? prefix : prefix.slice(0, -1));
    for (let number = 0; number < this.#count; number++) {
      const start = this.#terms[number * TERM_NUMBERS + TERM.start]!;
      const isLonger = this.#terms[number * TERM_NUMBERS + TERM.length]! >= bytes.length;
      if (!isLonger || !this.#isAt(start, bytes, 0, bytes.length)) continue;
      if (isWhole || this.valueOf(number).startsWith(prefix)) yield number;
    }
  }

  valueOf(number: number): string {
    const start = this.#terms[number * TERM_NUMBERS + TERM.start]!;
    return this.#text.toString('utf8', start, start + this.#terms[number * TERM_NUMBERS + TERM.length]!);
  }

  /** How many records have it. */
  countOf(number: number): number {
    return this.#terms[number * TERM_NUMBERS + TERM.count]!;
  }

  /** The first record that has it. */
  firstOf(number: number): number {
    return this.#terms[number * TERM_NUMBERS + TERM.first]!;
  }

  /** The last one. */
  lastOf(number: number): number {
    return this.#postings[this.#terms[number * TERM_NUMBERS + TERM.newest]!]!;
  }

  /** The places of the records from `low` to `high` that have it, ascending. */
  placesOf(number: number, low: number, high: number): Uint32Array {
    const postings = this.#postings;
    const first = Math.max(low, this.firstOf(number));
    const found = new Uint32Array(Math.max(0, Math.min(this.countOf(number), high - first + 1)));
    let free = found.length;
    for (let at = this.#terms[number * TERM_NUMBERS + TERM.newest]!; free > 0; at = postings[at + 1]!) {
      const place = postings[at]!;
      if (place < first) break;
      if (place <= high) found[--free] = place;
      if (place === first) break;
    }
    return free === 0 ? found : found.slice(free);
  }

  /** Where a value is, or would be. */
  #slotOf(bytes: Uint8Array, start: number, end: number, hash: number): number {
    const slots = this.#slots;
    const terms = this.#terms;
    const mask = slots.length - 1;
    for (let slot = hash & mask; ; slot = (slot + 1) & mask) {
      const number = slots[slot]!;
      if (number === 0) return slot;
      const term = (number - 1) * TERM_NUMBERS;
      const isLikely = terms[term + TERM.hash] === hash && terms[term + TERM.length] === end - start;
      if (isLikely && this.#isAt(terms[term + TERM.start]!, bytes, start, end)) return slot;
    }
  }

  #isAt(at: number, bytes: Uint8Array, start: number, end: number): boolean {
    const text = this.#text;
    for (let from = start, to = at; from < end; from++, to++) if (bytes[from] !== text[to]) return false;
    return true;
  }

  #begin(bytes: Buffer, start: number, end: number, hash: number, place: number): number {
    if (!isAscii(bytes, start, end)) {
      const own = Buffer.from(bytes.toString('utf8', start, end));
      // Several bytes become the same string: they are one value.
      if (own.compare(bytes, start, end) !== 0) return this.post(own, 0, own.length, place);
    }
    const length = end - start;
    const grown = this.#makeRoom(length);
    const number = this.#count++;
    for (let from = start, to = this.#textEnd; from < end; from++, to++) this.#text[to] = bytes[from]!;
    const term = number * TERM_NUMBERS;
    this.#terms[term + TERM.hash] = hash;
    this.#terms[term + TERM.start] = this.#textEnd;
    this.#terms[term + TERM.length] = length;
    this.#terms[term + TERM.first] = place;
    this.#textEnd += length;
    this.#slots[this.#slotOf(bytes, start, end, hash)] = number + 1;
    return grown + this.#push(number, place, 0);
  }

  /** One more place of a term. Returns how many bytes the memory has grown by. */
  #push(number: number, place: number, before: number): number {
    const at = this.#posted * POSTING_NUMBERS;
    const postings = withRoom(this.#postings, at + POSTING_NUMBERS, (length) => new Uint32Array(length));
    const grown = postings.byteLength - this.#postings.byteLength;
    this.#postings = postings;
    postings[at] = place;
    postings[at + 1] = before;
    this.#posted++;
    this.#terms[number * TERM_NUMBERS + TERM.newest] = at;
    this.#terms[number * TERM_NUMBERS + TERM.count]!++;
    return grown;
  }

  /** For one more value. Returns how many bytes the memory has grown by. */
  #makeRoom(length: number): number {
    const before = this.#bytes;
    this.#text = withRoom(this.#text, this.#textEnd + length, (bytes) => Buffer.alloc(bytes));
    this.#terms = withRoom(this.#terms, (this.#count + 1) * TERM_NUMBERS, (numbers) => new Uint32Array(numbers));
    // A quarter at least stays free.
    if ((this.#count + 1) * 4 > this.#slots.length * 3) {
      const slots = new Uint32Array(this.#slots.length * 2);
      const mask = slots.length - 1;
      for (let number = 0; number < this.#count; number++) {
        let slot = this.#terms[number * TERM_NUMBERS + TERM.hash]! & mask;
        while (slots[slot] !== 0) slot = (slot + 1) & mask;
        slots[slot] = number + 1;
      }
      this.#slots = slots;
    }
    return this.#bytes - before;
  }

  /** In use, but for postings. */
  get #bytes(): number {
    return this.#text.byteLength + this.#terms.byteLength + this.#slots.byteLength;
  }
}

function isAscii(bytes: Uint8Array, start: number, end: number): boolean {
  for (let i = start; i < end; i++) if (bytes[i]! > 127) return false;
  return true;
}

/** An array, or a copy of it in a larger one where it is shorter than that. */
function withRoom<T extends Uint8Array | Uint32Array>(array: T, length: number, make: (length: number) => T): T {
  if (length <= array.length) return array;
  const larger = make(Math.max(length, Math.ceil(array.length * 1.5)));
  larger.set(array);
  return larger;
}
