/**
 * Appends that are accepted and not durable yet, in their order. They are settled by the writer's watermarks, from the
 * oldest on, or given up from the newest back.
 */
import type { Call } from './call.js';

export class Pending {
  #calls: (Call | undefined)[] = [];
  #first = 0;
  /** The calls before this one are known to be written. */
  #written = 0;

  get count(): number {
    return this.#calls.length - this.#first;
  }

  get newest(): Call | undefined {
    return this.#calls.at(-1);
  }

  push(call: Call): void {
    this.#calls.push(call);
  }

  /** Take the oldest call if the ring is durable to its end. */
  takeDurable(position: number): Call | undefined {
    const call = this.#calls[this.#first];
    if (call === undefined || call.endPosition > position) return undefined;
    this.#calls[this.#first++] = undefined;
    if (this.#first === this.#calls.length) {
      this.#calls = [];
      this.#first = this.#written = 0;
    } else if (this.#first >= 4096 && this.#first * 2 >= this.#calls.length) {
      this.#calls = this.#calls.slice(this.#first);
      this.#written = Math.max(0, this.#written - this.#first);
      this.#first = 0;
    }
    return call;
  }

  /** Each call that was found to be written since the last time. */
  forEachWritten(position: number, visit: (call: Call) => void): void {
    this.#written = Math.max(this.#written, this.#first);
    for (;;) {
      const call = this.#calls[this.#written];
      if (call === undefined || call.endPosition > position) return;
      this.#written++;
      visit(call);
    }
  }

  /** The last sequence of those that end at or before a position of the ring; undefined if none does. */
  lastBefore(position: number): number | undefined {
    return this.#calls.findLast((call) => call !== undefined && call.endPosition <= position)?.lastSequence;
  }

  /** Take the newest call. */
  takeNewest(): Call | undefined {
    if (this.count === 0) return undefined;
    const call = this.#calls.pop();
    this.#written = Math.min(this.#written, this.#calls.length);
    return call;
  }

  /** The call that appended a sequence, if it is pending. */
  find(sequence: number): Call | undefined {
    let low = this.#first;
    let high = this.#calls.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const call = this.#calls[middle]!;
      if (sequence < call.firstSequence) high = middle;
      else if (sequence > call.lastSequence) low = middle + 1;
      else return call;
    }
    return undefined;
  }

  /** All of them, the newest first. */
  *newestFirst(): Generator<Call> {
    for (let i = this.#calls.length - 1; i >= this.#first; i--) yield this.#calls[i]!;
  }
}
