/** The writer's end of the ring: the records that were published and not yet taken. */
import { KIND, RECORD_HEADER_BYTES, recordKind, recordLength } from '../format/record.js';
import { loadPosition, POSITION, type SharedState } from './layout.js';
import type { RingPlace } from './producer.js';

/**
 * Walks over records without taking them: {@link peek} tells the offset of the next one, {@link advance} goes past it.
 * The caller takes its space back by itself, once the writer has said that it is durable.
 */
export class RingConsumer {
  readonly state: SharedState;
  readonly #capacity: number;
  #position = 0;
  #offset = 0;

  constructor(state: SharedState) {
    this.state = state;
    this.#capacity = state.ring.length;
  }

  /** Where what was taken ends: bytes since opening. */
  get position(): number {
    return this.#position;
  }

  /** The same: bytes from the ring's start. */
  get offset(): number {
    return this.#offset;
  }

  /** Both. */
  get place(): RingPlace {
    return { position: this.#position, offset: this.#offset };
  }

  /** The end of what is published. Load it before the first {@link peek} of a turn. */
  loadHead(): number {
    const head = loadPosition(this.state, POSITION.head);
    if (this.#position === loadPosition(this.state, POSITION.restart)) this.#offset = 0;
    return head;
  }

  /**
   * The offset of the next record before a position of the head, or -1 if there is none. Skips padding.
   * @param head as {@link loadHead} gave it
   */
  peek(head: number): number {
    if (this.#position >= head) return -1;
    const left = this.#capacity - this.#offset;
    if (left < RECORD_HEADER_BYTES || recordKind(this.state.view, this.#offset) === KIND.padding) {
      this.#position += left;
      this.#offset = 0;
    }
    return this.#offset;
  }

  /** Go past the record at the peeked offset. Returns its length. */
  advance(): number {
    const length = recordLength(this.state.view, this.#offset);
    this.#position += length;
    this.#offset += length;
    return length;
  }

  /** Go on at another place: back to before a frame that was not written, or past everything that was given up. */
  moveTo(place: RingPlace): void {
    this.#position = place.position;
    this.#offset = place.offset;
  }
}
