/** The caller's end of the ring: write records into it, publish or take back. */
import { RECORD_HEADER_BYTES, writePadding } from '../format/record.js';
import { bump, fitsBeforeEnd, POSITION, type SharedState, storePosition, WORD } from './layout.js';

/** An empty ring begins anew once so much of it was used. Unit: bytes. */
const RESTART_BYTES = 256 * 1024;

/** A place in the ring: bytes since opening, and bytes from the ring's start. */
export interface RingPlace {
  readonly position: number;
  readonly offset: number;
}

/**
 * A draft grows record by record behind the published head, written in place ({@link room}, {@link add}) or copied
 * ({@link addCopy}); {@link commit} makes it part of what the next {@link publish} shows to the writer, {@link discard} forgets it. Space comes back with {@link reclaim}.
 */
export class RingProducer {
  readonly state: SharedState;
  readonly #capacity: number;
  readonly #limit: number;
  readonly #reserve: number;
  #reclaimed = 0;
  #head = 0;
  #published = 0;
  #headOffset = 0;
  #draft = 0;
  #draftOffset = 0;
  /** The last padding and the position behind it: it takes memory, but no room from the limit. */
  #padding = 0;
  #paddingEnd = 0;

  /**
   * @param limitBytes how much may be pending; the memory behind it is larger by the largest record, so that padding
   *   never takes room from a batch
   * @param reserveBytes of these, what only system events may use
   */
  constructor(state: SharedState, limitBytes: number, reserveBytes: number) {
    this.state = state;
    this.#capacity = state.ring.length;
    this.#limit = limitBytes;
    this.#reserve = reserveBytes;
  }

  /** The end of the committed records. */
  get head(): RingPlace {
    return { position: this.#head, offset: this.#headOffset };
  }

  /** Bytes that are committed and not reclaimed. */
  get usedBytes(): number {
    return this.#head - this.#reclaimed;
  }

  /** Bytes that are committed and not shown to the writer yet. */
  get unpublishedBytes(): number {
    return this.#head - this.#published;
  }

  /** Where the draft ends: bytes from the ring's start. */
  get draftOffset(): number {
    return this.#draftOffset;
  }

  /**
   * How many bytes a record may take at the draft's end. With too few of them {@link addCopy} may still find room, at the
   * ring's start.
   * @param system whether it may use the reserve
   */
  room(system: boolean): number {
    return Math.max(0, Math.min(this.#free(system), this.#capacity - this.#draftOffset));
  }

  /** The record at the draft's end is written and this long. */
  add(bytes: number): void {
    this.#draft += bytes;
    this.#draftOffset += bytes;
  }

  /** Add a finished record. Returns its offset, or -1 if there is no room for it. */
  addCopy(source: Buffer, start: number, end: number, system: boolean): number {
    const bytes = end - start;
    if (bytes > this.#free(system)) return -1;
    if (!fitsBeforeEnd(this.#capacity, this.#draftOffset, bytes)) {
      const padding = this.#capacity - this.#draftOffset;
      if (this.#draft - this.#reclaimed + padding + bytes > this.#capacity) return -1;
      if (padding >= RECORD_HEADER_BYTES) writePadding(this.state.view, this.#draftOffset, padding);
      this.#draft += padding;
      this.#draftOffset = 0;
      this.#padding = padding;
      this.#paddingEnd = this.#draft;
    }
    const at = this.#draftOffset;
    source.copy(this.state.ring, at, start, end);
    this.add(bytes);
    return at;
  }

  /** Make the draft part of the ring. */
  commit(): void {
    this.#head = this.#draft;
    this.#headOffset = this.#draftOffset;
  }

  /** Bytes that may be added, wherever they lie. */
  #free(system: boolean): number {
    const used = this.#draft - this.#reclaimed;
    const inUse = this.#paddingEnd > this.#reclaimed ? used - this.#padding : used;
    const limit = system ? this.#limit : this.#limit - this.#reserve;
    return Math.min(limit - inUse, this.#capacity - used);
  }

  /** Forget the draft. */
  discard(): void {
    if (this.#paddingEnd > this.#head) this.#padding = 0;
    this.#draft = this.#head;
    this.#draftOffset = this.#headOffset;
  }

  /** Show the committed records to the writer: a store of head after plain writes; then wake it. */
  publish(): void {
    this.#published = this.#head;
    storePosition(this.state, POSITION.head, this.#head);
    bump(this.state, WORD.signal);
  }

  /**
   * Everything up to a position is durable, or given up: its space may be used again. Where that leaves the ring empty it
   * goes on at its start, in memory that both threads still have in their caches. Not while a draft grows.
   */
  reclaim(position: number): void {
    this.#reclaimed = position;
    if (position !== this.#head || this.#headOffset < RESTART_BYTES) return;
    // Seen by the writer before the next head is: it is a sequentially consistent store as well.
    storePosition(this.state, POSITION.restart, position);
    this.#headOffset = this.#draftOffset = 0;
  }
}
