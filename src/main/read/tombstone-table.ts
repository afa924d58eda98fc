/**
 * Names of streams, with a sequence each, off the heap. An entry is as the file of tombstones has it, in the order of their coming, in
 * chunks that stay where they are; it is found by the bytes of its name, by open addressing with linear probing. So it takes its name,
 * 10 bytes, up to 3 that fill four, and 5 to 11 in the slots: a name of 26 bytes makes it 41 to 47.
 */
import { randomInt } from 'node:crypto';
import { memoryOf, readSafeInteger, writeSafeInteger } from '../../shared/format/record.js';
import { PACKED_BYTES, type PackedTombstones, packTombstone } from '../../shared/format/tombstones.js';
import { hashOf } from './bytes-hash.js';

const CHUNK_BYTES = 64 * 1024;
const MIN_SLOTS = 64;
/** Entries begin at multiples of this: so many times four thousand million bytes are told apart by a slot. */
const ALIGNMENT = 4;

interface Chunk {
  readonly bytes: Buffer;
  readonly view: DataView;
  end: number;
}

export class TombstoneTable {
  /** So that nobody can choose names that all have one hash. */
  readonly #seed = randomInt(2 ** 32);
  #chunks: Chunk[] = [];
  /** Where entries begin, in {@link ALIGNMENT}, plus one; 0 where nothing is. */
  #slots = new Uint32Array(MIN_SLOTS);
  #count = 0;
  /** No entry has a lower sequence. */
  #lowest = Number.POSITIVE_INFINITY;

  get count(): number {
    return this.#count;
  }

  /** Memory in use. */
  get bytes(): number {
    return this.#chunks.length * CHUNK_BYTES + this.#slots.byteLength;
  }

  /** The sequence of a name; 0 where there is none. */
  get(bytes: Uint8Array, start: number, end: number): number {
    const place = this.#slots[this.#slotOf(bytes, start, end)]!;
    return place === 0 ? 0 : this.#sequenceAt(place - 1);
  }

  set(name: Buffer, sequence: number): void {
    this.#lowest = Math.min(this.#lowest, sequence);
    const slot = this.#slotOf(name, 0, name.length);
    const place = this.#slots[slot]!;
    if (place > 0) {
      const { view } = this.#chunkOf(place - 1);
      writeSafeInteger(view, offsetOf(place - 1), sequence);
      return;
    }
    this.#slots[slot] = this.#push(name, sequence) + 1;
    this.#count++;
    // A quarter at least stays free.
    if (this.#count * 4 > this.#slots.length * 3) this.#index(this.#slots.length * 2);
  }

  /** Forget entries below a sequence. */
  dropBelow(sequence: number): void {
    if (sequence <= this.#lowest) return;
    const chunks = this.#chunks;
    // Whoever goes through the old ones still has them.
    this.#chunks = [];
    this.#lowest = Number.POSITIVE_INFINITY;
    this.#count = 0;
    for (const { name, own } of entriesOf(chunks)) {
      if (own < sequence) continue;
      this.#push(name, own);
      this.#count++;
      this.#lowest = Math.min(this.#lowest, own);
    }
    let slots = MIN_SLOTS;
    while (this.#count * 4 > slots * 3) slots *= 2;
    this.#index(slots);
  }

  *[Symbol.iterator](): Generator<readonly [stream: string, sequence: number]> {
    for (const { name, own } of entriesOf(this.#chunks)) yield [name.toString(), own];
  }

  /** All of them, one behind the other. */
  pack(): PackedTombstones {
    let length = 0;
    for (const { name } of entriesOf(this.#chunks)) length += PACKED_BYTES + name.length;
    const { bytes, view } = memoryOf(Buffer.allocUnsafeSlow(length));
    let at = 0;
    for (const { name, own } of entriesOf(this.#chunks)) at = packTombstone(bytes, view, at, name, own);
    return { count: this.#count, bytes };
  }

  /** Returns where it begins, in {@link ALIGNMENT}. */
  #push(name: Buffer, sequence: number): number {
    const length = PACKED_BYTES + name.length;
    let chunk = this.#chunks.at(-1);
    if (chunk === undefined || chunk.end + length > CHUNK_BYTES) {
      chunk = { ...memoryOf(Buffer.alloc(CHUNK_BYTES)), end: 0 };
      this.#chunks.push(chunk);
    }
    const at = chunk.end;
    packTombstone(chunk.bytes, chunk.view, at, name, sequence);
    chunk.end = aligned(at + length);
    return ((this.#chunks.length - 1) * CHUNK_BYTES + at) / ALIGNMENT;
  }

  /** Put all entries into new slots. */
  #index(slots: number): void {
    this.#slots = new Uint32Array(slots);
    for (const [i, { bytes, view, end }] of this.#chunks.entries()) {
      for (let at = 0; at < end; at = behind(view, at)) {
        const start = at + PACKED_BYTES;
        const slot = this.#slotOf(bytes, start, start + view.getUint16(start - 2, true));
        this.#slots[slot] = (i * CHUNK_BYTES + at) / ALIGNMENT + 1;
      }
    }
  }

  /** Where a name is, or would be. */
  #slotOf(bytes: Uint8Array, start: number, end: number): number {
    const slots = this.#slots;
    const mask = slots.length - 1;
    for (let slot = hashOf(bytes, start, end, this.#seed) & mask; ; slot = (slot + 1) & mask) {
      const place = slots[slot]!;
      if (place === 0 || this.#isAt(place - 1, bytes, start, end)) return slot;
    }
  }

  #isAt(place: number, name: Uint8Array, start: number, end: number): boolean {
    const { bytes, view } = this.#chunkOf(place);
    let at = offsetOf(place) + PACKED_BYTES;
    if (view.getUint16(at - 2, true) !== end - start) return false;
    for (let from = start; from < end; from++) if (bytes[at++] !== name[from]) return false;
    return true;
  }

  #sequenceAt(place: number): number {
    return readSafeInteger(this.#chunkOf(place).view, offsetOf(place));
  }

  #chunkOf(place: number): Chunk {
    return this.#chunks[Math.floor((place * ALIGNMENT) / CHUNK_BYTES)]!;
  }
}

function* entriesOf(chunks: readonly Chunk[]): Generator<{ readonly name: Buffer; readonly own: number }> {
  for (const { bytes, view, end } of chunks) {
    for (let at = 0; at < end; at = behind(view, at)) {
      const start = at + PACKED_BYTES;
      const name = bytes.subarray(start, start + view.getUint16(start - 2, true));
      yield { name, own: readSafeInteger(view, at) };
    }
  }
}

/** Where the next entry begins. */
function behind(view: DataView, at: number): number {
  return aligned(at + PACKED_BYTES + view.getUint16(at + PACKED_BYTES - 2, true));
}

function aligned(bytes: number): number {
  return Math.ceil(bytes / ALIGNMENT) * ALIGNMENT;
}

function offsetOf(place: number): number {
  return (place * ALIGNMENT) % CHUNK_BYTES;
}
