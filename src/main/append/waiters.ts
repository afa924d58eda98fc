/**
 * Appends that wait in the heap within a budget of bytes: for room in the ring, first in, first out, or before that for their
 * condition to be checked, in no order.
 */
import { KeeperError } from '../../shared/portable/errors.js';
import type { Call } from './call.js';

/** When to try again after ring and waiting room were full. Unit: milliseconds. */
const RETRY_AFTER_MS = 50;

export class Waiters {
  readonly #maxBytes: number;
  #calls: Call[] = [];
  #first = 0;
  readonly #checking = new Set<Call>();
  #bytes = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  get count(): number {
    return this.#calls.length - this.#first + this.#checking.size;
  }

  /** Those whose condition is being checked. */
  get checking(): Iterable<Call> {
    return this.#checking;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get oldest(): Call | undefined {
    return this.#calls[this.#first];
  }

  get newest(): Call | undefined {
    return this.oldest === undefined ? undefined : this.#calls.at(-1);
  }

  /**
   * Have an encoded call wait.
   * @throws ERR_BACKPRESSURE beyond the budget
   */
  push(call: Call): void {
    this.#take(call);
    this.#calls.push(call);
  }

  /**
   * Have an encoded call wait for its condition to be checked.
   * @throws ERR_BACKPRESSURE beyond the budget
   */
  hold(call: Call): void {
    this.#take(call);
    this.#checking.add(call);
  }

  /** The condition of a call was checked: it waits for room from now on. Returns whether it has waited until now. */
  checked(call: Call): boolean {
    if (!this.#checking.delete(call)) return false;
    this.#calls.push(call);
    return true;
  }

  /** A call waits no longer, for whatever it did, if it did. */
  remove(call: Call): void {
    if (call === this.oldest) this.#first++;
    else if (!this.#checking.delete(call)) {
      const place = this.#calls.indexOf(call, this.#first);
      if (place === -1) return;
      this.#calls.splice(place, 1);
    }
    this.#forget(call);
    if (this.#first === this.#calls.length || this.#first > 1024) {
      this.#calls = this.#calls.slice(this.#first);
      this.#first = 0;
    }
  }

  /** Nobody waits any longer: fail who did, the oldest first. Returns how many did. */
  failAll(why: () => KeeperError): number {
    const calls = [...this.#calls.slice(this.#first), ...this.#checking];
    this.#checking.clear();
    this.#calls = [];
    this.#first = 0;
    for (const call of calls) this.#forget(call);
    for (const call of calls) {
      const error = why();
      call.reject(error);
      call.end(error);
    }
    return calls.length;
  }

  #take(call: Call): void {
    const { bytes } = call.encoded!;
    if (this.#bytes + bytes > this.#maxBytes) throw backpressure();
    this.#bytes += bytes;
  }

  /** Memory and heads that were held for a call. */
  #forget(call: Call): void {
    this.#bytes -= call.encoded!.bytes;
    call.encoded = undefined;
    for (const { head } of call.parts) head.pending--;
  }
}

export function backpressure(): KeeperError {
  return new KeeperError('ERR_BACKPRESSURE', 'too much is waiting to be written', {
    retryAfterMs: RETRY_AFTER_MS,
    mode: 'open',
    outcome: 'not-appended',
    hint: 'Await what was appended before appending more, or raise ringBytes or maxPendingBytes.',
  });
}
