/** The caller's end of the ring: claim room, write records into it, publish or take back. */
import { align, RECORD_HEADER_BYTES, writePadding } from '../format/record.js';
import { bump, fitsBeforeEnd, POSITION, type SharedState, storePosition, WORD } from './layout.js';

/** An empty ring begins anew once so much of it was used. Unit: bytes. */
const RESTART_BYTES = 256 * 1024;

/** A place in the ring: bytes since opening, and bytes from the ring's start. */
export interface RingPlace {
  readonly position: number;
  readonly offset: number;
}

/**
 * A draft grows record by record behind the published head; {@link commit} makes it part of what the next
 * {@link publish} shows to the writer, {@link discard} forgets it. Space comes back with {@link reclaim}.
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

  /**
   * Room for one record of at most `maxBytes`, behind the draft. Returns its offset, or -1 if there is none.
   * @param system whether it may use the reserve
   */
  claim(maxBytes: number, system: boolean): number {
    const used = this.#draft - this.#reclaimed;
    const inUse = this.#paddingEnd > this.#reclaimed ? used - this.#padding : used;
    const limit = system ? this.#limit : this.#limit - this.#reserve;
    if (inUse + maxBytes > limit || used + maxBytes > this.#capacity) return -1;
    if (!fitsBeforeEnd(this.#capacity, this.#draftOffset, maxBytes)) {
      const padding = this.#capacity - this.#draftOffset;
      if (used + padding + maxBytes > this.#capacity) return -1;
      if (padding >= RECORD_HEADER_BYTES) writePadding(this.state.view, this.#draftOffset, padding);
      this.#draft += padding;
      this.#draftOffset = 0;
      this.#padding = padding;
      this.#paddingEnd = this.#draft;
    }
    return this.#draftOffset;
  }

  /** The record at the claimed offset is written and this long. */
  add(bytes: number): void {
    this.#draft += align(bytes);
    this.#draftOffset += align(bytes);
  }

  /** Make the draft part of the ring. */
  commit(): void {
    this.#head = this.#draft;
    this.#headOffset = this.#draftOffset;
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
