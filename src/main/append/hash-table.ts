/**
 * A table from 128-bit hashes to two numbers, off the heap: entries in a ring in order of their insertion, found by open
 * addressing with linear probing. The oldest and the newest entry can be taken out.
 *
 * An entry is 32 bytes, as the checkpoint stores it: the hash, two u64. With its place in the index an entry takes 40 to
 * 48 bytes at most, so a million of them stay below 64 MiB.
 */
import { ENTRY_BYTES } from '../../shared/format/checkpoint.js';
import type { NameHash } from '../../shared/format/name-hash.js';

const WORDS = ENTRY_BYTES / 4;
const TWO_32 = 2 ** 32;
const MIN_CAPACITY = 1024;

export class HashTable {
  #entries = new Uint32Array(MIN_CAPACITY * WORDS);
  #capacity = MIN_CAPACITY;
  /** Entry number plus one, 0 for none. */
  #slots = new Int32Array(MIN_CAPACITY * 2);
  #first = 0;
  #count = 0;

  get count(): number {
    return this.#count;
  }

  /** Memory in use. */
  get bytes(): number {
    return this.#entries.byteLength + this.#slots.byteLength;
  }

  /** The number of the entry with a hash, or -1. It holds until an entry is added or taken out. */
  find(hash: NameHash): number {
    const mask = this.#slots.length - 1;
    for (let slot = hash[2]! & mask; ; slot = (slot + 1) & mask) {
      const entry = this.#slots[slot]! - 1;
      if (entry === -1) return -1;
      const at = entry * WORDS;
      if (
        this.#entries[at] === hash[0] &&
        this.#entries[at + 1] === hash[1] &&
        this.#entries[at + 2] === hash[2] &&
        this.#entries[at + 3] === hash[3]
      ) {
        return entry;
      }
    }
  }

  /** Add an entry whose hash is not there yet. */
  add(hash: NameHash, a: number, b: number): void {
    if (this.#count === this.#capacity) this.#grow();
    const entry = (this.#first + this.#count) % this.#capacity;
    this.#entries.set(hash, entry * WORDS);
    this.#count++;
    this.update(entry, a, b);
    this.#link(entry);
  }

  update(entry: number, a: number, b: number): void {
    const at = entry * WORDS;
    this.#entries[at + 4] = a >>> 0;
    this.#entries[at + 5] = Math.floor(a / TWO_32);
    this.#entries[at + 6] = b >>> 0;
    this.#entries[at + 7] = Math.floor(b / TWO_32);
  }

  first(entry: number): number {
    const at = entry * WORDS;
    return this.#entries[at + 5]! * TWO_32 + this.#entries[at + 4]!;
  }

  second(entry: number): number {
    const at = entry * WORDS;
    return this.#entries[at + 7]! * TWO_32 + this.#entries[at + 6]!;
  }

  /** The number of the oldest entry; the table must not be empty. */
  get oldest(): number {
    return this.#first;
  }

  removeOldest(): void {
    this.#unlink(this.#first);
    this.#first = (this.#first + 1) % this.#capacity;
    this.#count--;
  }

  removeNewest(): void {
    this.#count--;
    this.#unlink((this.#first + this.#count) % this.#capacity);
  }

  /** Every entry, oldest first. */
  forEach(visit: (hash: NameHash, a: number, b: number) => void): void {
    for (let i = 0; i < this.#count; i++) {
      const entry = (this.#first + i) % this.#capacity;
      visit(this.#entries.slice(entry * WORDS, entry * WORDS + 4), this.first(entry), this.second(entry));
    }
  }

  /** A copy of all entries, oldest first. */
  toBytes(): Uint8Array {
    const copy = new Uint32Array(this.#count * WORDS);
    const untilEnd = Math.min(this.#count, this.#capacity - this.#first);
    copy.set(this.#entries.subarray(this.#first * WORDS, (this.#first + untilEnd) * WORDS));
    copy.set(this.#entries.subarray(0, (this.#count - untilEnd) * WORDS), untilEnd * WORDS);
    return new Uint8Array(copy.buffer);
  }

  #grow(): void {
    const entries = new Uint32Array(this.#capacity * 2 * WORDS);
    entries.set(new Uint32Array(this.toBytes().buffer));
    this.#entries = entries;
    this.#capacity *= 2;
    this.#first = 0;
    this.#slots = new Int32Array(this.#capacity * 2);
    for (let entry = 0; entry < this.#count; entry++) this.#link(entry);
  }

  #link(entry: number): void {
    const mask = this.#slots.length - 1;
    let slot = this.#entries[entry * WORDS + 2]! & mask;
    while (this.#slots[slot] !== 0) slot = (slot + 1) & mask;
    this.#slots[slot] = entry + 1;
  }

  /** Take an entry out of the index, and close the gap so that no probe ends too early (Knuth 6.4, algorithm R). */
  #unlink(entry: number): void {
    const mask = this.#slots.length - 1;
    let gap = this.#entries[entry * WORDS + 2]! & mask;
    while (this.#slots[gap] !== entry + 1) gap = (gap + 1) & mask;
    for (let slot = (gap + 1) & mask; this.#slots[slot] !== 0; slot = (slot + 1) & mask) {
      const home = this.#entries[(this.#slots[slot]! - 1) * WORDS + 2]! & mask;
      if (((slot - home) & mask) >= ((slot - gap) & mask)) {
        this.#slots[gap] = this.#slots[slot]!;
        gap = slot;
      }
    }
    this.#slots[gap] = 0;
  }
}
