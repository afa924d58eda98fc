/**
 * Where some of the records of a block begin, so that one record is read without the rest of its block. They are learnt from
 * verified bytes, but never an authority: what is read by them is verified by its own checksum.
 */
import type { Run } from './run.js';

/** From one mark to the next are so many bytes, or one record. */
const MARK_BYTES = 8 * 1024;

/** A range of a segment's file that begins with the record of a sequence. Unit: bytes. */
export interface MarkedRange {
  readonly sequence: number;
  readonly offset: number;
  readonly end: number;
}

export class Marks {
  readonly #firstSequence: number;
  readonly #offset: number;
  readonly #end: number;
  /** Pairs: sequence and offset, counted from the first ones. */
  readonly #pairs: Uint32Array;

  /**
   * @param run the records of a whole block
   * @param end of the block, in the segment's file
   */
  constructor(run: Run, end: number) {
    this.#firstSequence = run.firstSequence;
    this.#offset = run.fileOffset;
    this.#end = end;
    const pairs: number[] = [];
    let marked = -MARK_BYTES;
    for (let sequence = run.firstSequence; sequence <= run.lastSequence; sequence++) {
      const at = run.at(sequence);
      if (at - marked < MARK_BYTES) continue;
      pairs.push(sequence - run.firstSequence, at);
      marked = at;
    }
    this.#pairs = Uint32Array.from(pairs);
  }

  /** Memory in use, about. */
  get bytes(): number {
    return this.#pairs.byteLength + 128;
  }

  /** The range from the last mark at or before a sequence of the block to the next one. */
  around(sequence: number): MarkedRange {
    const wanted = sequence - this.#firstSequence;
    let low = 0;
    let high = this.#pairs.length / 2;
    while (high - low > 1) {
      const middle = (low + high) >>> 1;
      if (this.#pairs[2 * middle]! <= wanted) low = middle;
      else high = middle;
    }
    const next = this.#pairs[2 * high + 1];
    return {
      sequence: this.#firstSequence + this.#pairs[2 * low]!,
      offset: this.#offset + this.#pairs[2 * low + 1]!,
      end: next === undefined ? this.#end : this.#offset + next,
    };
  }
}
