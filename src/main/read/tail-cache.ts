/**
 * The newest durable records in memory, copied out of the ring before its room is used again. A ring of bytes and, beside
 * it, where each sequence's record begins.
 */
import {
  KIND,
  type Memory,
  memoryOf,
  RECORD_HEADER_BYTES,
  recordKind,
  recordLength,
} from '../../shared/format/record.js';
import type { SharedState } from '../../shared/ring/layout.js';
import type { RingPlace } from '../../shared/ring/producer.js';
import type { Run } from './run.js';

export class TailCache {
  readonly #capacity: number;
  #memory: Memory | undefined;
  #starts = new Uint32Array(0);
  #mask = 0;
  /** Where the next record goes. */
  #end = 0;
  #first = 1;
  #last = 0;
  /** How far the ring was read. */
  #position = 0;
  #offset = 0;
  /** Called with the last sequence after each that was taken over. */
  onTaken: ((lastSequence: number) => void) | undefined;

  /** @param cacheBytes 0 keeps nothing */
  constructor(cacheBytes: number) {
    // A ninth at most is for where the records begin: a record takes 64 bytes, its place 4, in a power of two.
    this.#capacity = Math.max(0, Math.floor(((cacheBytes - 16) * 8) / 9));
  }

  /** Memory in use. */
  get bytes(): number {
    return this.#memory === undefined ? 0 : this.#capacity + this.#starts.byteLength;
  }

  /** The oldest sequence it holds; above the last one if it holds none. */
  get first(): number {
    return this.#first;
  }

  /** Whether it holds a sequence that is durable, and all that follow. */
  holdsFrom(sequence: number): boolean {
    return this.#first <= this.#last && sequence >= this.#first;
  }

  /** Take over the ring's records up to a position: those with the given sequences. */
  take(ring: SharedState, position: number, firstSequence: number, lastSequence: number): void {
    if (this.#first > this.#last || firstSequence !== this.#last + 1) this.#first = firstSequence;
    let sequence = firstSequence;
    let from = -1;
    let to = 0;
    let until = 0;
    while (this.#position < position) {
      const left = ring.ring.length - this.#offset;
      if (left < RECORD_HEADER_BYTES || recordKind(ring.view, this.#offset) === KIND.padding) {
        this.#position += left;
        this.#offset = 0;
        continue;
      }
      const length = recordLength(ring.view, this.#offset);
      const place = this.#makeRoom(length, sequence);
      // Ranges that follow each other on both sides are copied at once.
      if (from === -1 || until !== this.#offset || to + (until - from) !== place) {
        this.#copy(ring.ring, from, until, to);
        from = this.#offset;
        to = place;
      }
      until = this.#offset + length;
      this.#offset += length;
      this.#position += length;
      sequence++;
    }
    this.#copy(ring.ring, from, until, to);
    this.#last = lastSequence;
    this.onTaken?.(lastSequence);
  }

  /** The ring goes on at another place: what was there in between was given up. */
  skipTo(place: RingPlace): void {
    this.#position = place.position;
    this.#offset = place.offset;
  }

  /** The records from a sequence on, or undefined if it is not here. To be used before anything else is taken in. */
  load(sequence: number): Run | undefined {
    if (sequence < this.#first || sequence > this.#last || this.#memory === undefined) return undefined;
    return {
      memory: this.#memory,
      firstSequence: this.#first,
      lastSequence: this.#last,
      at: (wanted) => this.#starts[wanted & this.#mask]!,
      fileOffset: -1,
    };
  }

  #makeRoom(length: number, sequence: number): number {
    if (length > this.#capacity) {
      this.#first = sequence + 1;
      this.#end = 0;
      return -1;
    }
    if (this.#memory === undefined) {
      this.#memory = memoryOf(Buffer.allocUnsafeSlow(this.#capacity));
      const places = 2 ** Math.ceil(Math.log2(this.#capacity / RECORD_HEADER_BYTES + 1));
      this.#starts = new Uint32Array(places);
      this.#mask = places - 1;
    }
    const wraps = this.#end + length > this.#capacity;
    const start = wraps ? 0 : this.#end;
    // Whatever lies where this record goes is the oldest there is.
    while (this.#first < sequence) {
      const oldest = this.#starts[this.#first & this.#mask]!;
      const inTheWay = wraps ? oldest >= this.#end || oldest < length : oldest >= start && oldest < start + length;
      if (!inTheWay) break;
      this.#first++;
    }
    this.#starts[sequence & this.#mask] = start;
    this.#end = start + length;
    return start;
  }

  #copy(ring: Buffer, from: number, until: number, to: number): void {
    if (from !== -1 && to !== -1) ring.copy(this.#memory!.bytes, to, from, until);
  }
}
