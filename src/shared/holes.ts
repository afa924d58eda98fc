/**
 * Sequences that are not there and never will be: ranges that a repair gave up. Where a repair put frames together
 * that do not follow each other, and nothing is missing between them, there is a hole of no sequences.
 */

import type { SequenceRange } from './portable/log.js';

/** Both inclusive; of no sequences where `last` is `first` - 1. */
export type Hole = readonly [first: number, last: number];

export class Holes {
  /** Ascending, none of them touching another. */
  readonly list: readonly Hole[];

  constructor(list: readonly Hole[]) {
    this.list = list;
  }

  /** The first sequence from this one on that is in no hole. */
  skip(sequence: number): number {
    const hole = this.at(sequence);
    return hole === undefined ? sequence : hole[1] + 1;
  }

  /** The last sequence up to this one that is in no hole. */
  skipBack(sequence: number): number {
    const hole = this.at(sequence);
    return hole === undefined ? sequence : hole[0] - 1;
  }

  /** The hole that a sequence is in. */
  at(sequence: number): Hole | undefined {
    const hole = this.list[this.#placeOf(sequence) - 1];
    return hole !== undefined && sequence <= hole[1] ? hole : undefined;
  }

  /** Whether a frame that begins at a sequence need not continue the chain. */
  beginsAnew(sequence: number): boolean {
    return this.list[this.#placeOf(sequence) - 1]?.[1] === sequence - 1;
  }

  /** Whether anything is missing between two sequences that are there. */
  isBetween(low: number, high: number): boolean {
    return this.list.some(([first, last]) => first > low && last < high && last >= first);
  }

  /** The range around a sequence that is there in which nothing is missing. Ends are open where no hole follows. */
  around(sequence: number): Hole {
    const place = this.#placeOf(sequence);
    let before = place - 1;
    while (before >= 0 && isEmpty(this.list[before]!)) before--;
    let behind = place;
    while (behind < this.list.length && isEmpty(this.list[behind]!)) behind++;
    return [(this.list[before]?.[1] ?? 0) + 1, (this.list[behind]?.[0] ?? Number.POSITIVE_INFINITY) - 1];
  }

  /** The parts of a range that are missing, ascending. */
  missing(low: number, high: number): SequenceRange[] {
    return this.list
      .map(([first, last]) => ({ firstSequence: Math.max(first, low), lastSequence: Math.min(last, high) }))
      .filter(({ firstSequence, lastSequence }) => firstSequence <= lastSequence);
  }

  /** How many holes begin at or before a sequence. */
  #placeOf(sequence: number): number {
    let low = 0;
    let high = this.list.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.list[middle]![0] <= sequence) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

function isEmpty([first, last]: Hole): boolean {
  return last < first;
}
