/**
 * A table from 128-bit hashes to two numbers, off the heap: entries in the order of their insertion, found by open
 * addressing with linear probing. The oldest and the newest entry can be taken out.
 *
 * An entry is 32 bytes, as the checkpoint stores it: the hash, two u64. It stays where it is, in a chunk of shared memory:
 * growing copies nothing, and the thread that writes a checkpoint reads the chunks themselves. With its place in the index
 * an entry takes 40 to 48 bytes at most, so a million of them stay below 64 MiB.
 */
import { CHUNK_BITS, CHUNK_BYTES, CHUNK_ENTRIES, type Entries } from '../../shared/entries.js';
import { ENTRY_BYTES } from '../../shared/format/checkpoint.js';
import type { NameHash } from '../../shared/format/name-hash.js';

const WORDS = ENTRY_BYTES / 4;
const TWO_32 = 2 ** 32;
const MIN_SLOTS = 2048;
/** Entries are numbered as they come, modulo this: a slot must hold a number plus one. */
const NUMBERS = 2 ** 30;
const CHUNK_NUMBERS = NUMBERS / CHUNK_ENTRIES;

export class HashTable {
  /** From the one that holds the oldest entry on. */
  readonly #chunks: Uint32Array[] = [];
  /** Number of an entry plus one, 0 for none. */
  #slots = new Int32Array(MIN_SLOTS);
  #first: number;
  #count = 0;

  /** @param first the number of the first entry, for tests of how numbers wrap */
  constructor(first = 0) {
    this.#first = first;
  }

  get count(): number {
    return this.#count;
  }

  /** Memory in use. */
  get bytes(): number {
    return this.#chunks.length * CHUNK_BYTES + this.#slots.byteLength;
  }

  /** The number of the entry with a hash, or -1. It holds until an entry is added or taken out. */
  find(hash: NameHash): number {
    const mask = this.#slots.length - 1;
    for (let slot = hash[2]! & mask; ; slot = (slot + 1) & mask) {
      const entry = this.#slots[slot]! - 1;
      if (entry === -1) return -1;
      const words = this.#chunkOf(entry);
      const at = offsetOf(entry);
      if (
        words[at] === hash[0] &&
        words[at + 1] === hash[1] &&
        words[at + 2] === hash[2] &&
        words[at + 3] === hash[3]
      ) {
        return entry;
      }
    }
  }

  /** Add an entry whose hash is not there yet. */
  add(hash: NameHash, a: number, b: number): void {
    if (this.#count * 2 === this.#slots.length) this.#grow();
    const entry = this.#number(this.#count);
    if (this.#indexOf(entry) === this.#chunks.length) {
      this.#chunks.push(new Uint32Array(new SharedArrayBuffer(CHUNK_BYTES)));
    }
    this.#chunkOf(entry).set(hash, offsetOf(entry));
    this.#count++;
    this.update(entry, a, b);
    this.#link(entry);
  }

  update(entry: number, a: number, b: number): void {
    const words = this.#chunkOf(entry);
    const at = offsetOf(entry);
    words[at + 4] = a >>> 0;
    words[at + 5] = Math.floor(a / TWO_32);
    words[at + 6] = b >>> 0;
    words[at + 7] = Math.floor(b / TWO_32);
  }

  first(entry: number): number {
    const words = this.#chunkOf(entry);
    const at = offsetOf(entry);
    return words[at + 5]! * TWO_32 + words[at + 4]!;
  }

  second(entry: number): number {
    const words = this.#chunkOf(entry);
    const at = offsetOf(entry);
    return words[at + 7]! * TWO_32 + words[at + 6]!;
  }

  /** The number of the oldest entry; the table must not be empty. */
  get oldest(): number {
    return this.#first;
  }

  removeOldest(): void {
    this.#unlink(this.#first);
    this.#first = this.#number(1);
    this.#count--;
    if (this.#first % CHUNK_ENTRIES === 0) this.#chunks.shift();
  }

  removeNewest(): void {
    this.#count--;
    this.#unlink(this.#number(this.#count));
  }

  /** Take everything out, and keep the memory for what comes. */
  clear(): void {
    this.#slots.fill(0);
    this.#first = 0;
    this.#count = 0;
  }

  /** Every entry, oldest first. */
  forEach(visit: (hash: NameHash, a: number, b: number) => void): void {
    for (let i = 0; i < this.#count; i++) {
      const entry = this.#number(i);
      const at = offsetOf(entry);
      visit(this.#chunkOf(entry).slice(at, at + 4), this.first(entry), this.second(entry));
    }
  }

  /** All entries as they are now, oldest first: not a copy, so none of them may be updated or taken back meanwhile. */
  entries(): Entries {
    const chunks = this.#chunks.map(({ buffer }) => buffer as SharedArrayBuffer);
    return { chunks, first: this.#first % CHUNK_ENTRIES, count: this.#count };
  }

  /** The number of the entry that is so many behind the oldest. */
  #number(place: number): number {
    return (this.#first + place) % NUMBERS;
  }

  /** Which of the chunks an entry is in. */
  #indexOf(entry: number): number {
    return ((entry >>> CHUNK_BITS) - (this.#first >>> CHUNK_BITS)) & (CHUNK_NUMBERS - 1);
  }

  #chunkOf(entry: number): Uint32Array {
    return this.#chunks[this.#indexOf(entry)]!;
  }

  #grow(): void {
    this.#slots = new Int32Array(this.#slots.length * 2);
    for (let i = 0; i < this.#count; i++) this.#link(this.#number(i));
  }

  /** The slot at which the search for an entry begins. */
  #homeOf(entry: number): number {
    return this.#chunkOf(entry)[offsetOf(entry) + 2]! & (this.#slots.length - 1);
  }

  #link(entry: number): void {
    const mask = this.#slots.length - 1;
    let slot = this.#homeOf(entry);
    while (this.#slots[slot] !== 0) slot = (slot + 1) & mask;
    this.#slots[slot] = entry + 1;
  }

  /** Take an entry out of the index, and close the gap so that no probe ends too early (Knuth 6.4, algorithm R). */
  #unlink(entry: number): void {
    const mask = this.#slots.length - 1;
    let gap = this.#homeOf(entry);
    while (this.#slots[gap] !== entry + 1) gap = (gap + 1) & mask;
    for (let slot = (gap + 1) & mask; this.#slots[slot] !== 0; slot = (slot + 1) & mask) {
      const home = this.#homeOf(this.#slots[slot]! - 1);
      if (((slot - home) & mask) >= ((slot - gap) & mask)) {
        this.#slots[gap] = this.#slots[slot]!;
        gap = slot;
      }
    }
    this.#slots[gap] = 0;
  }
}

/** Where an entry begins in its chunk. Unit: words. */
function offsetOf(entry: number): number {
  return (entry % CHUNK_ENTRIES) * WORDS;
}
