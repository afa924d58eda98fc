/** How sealing in the background gives way to appends: while there are any, it rests after each slice of its work. */
import { setTimeout as sleep } from 'node:timers/promises';

/** A rest is so many times as long as the slice before it: a quarter of a processor is left for sealing. */
const REST = 3;

/** What is done between two slices. */
export interface Between {
  /** Throws where it is not to go on. */
  check(): void;
  rest(workedMs: number): Promise<void>;
}

export class Pace {
  readonly #durable: () => number;
  #seen: number;

  /** @param durable the last durable sequence: where it moves, somebody appends */
  constructor(durable: () => number) {
    this.#durable = durable;
    this.#seen = durable();
  }

  /**
   * Rest after a slice, unless nobody has appended since the last one. Resolves early where it is aborted. Keeps no process alive.
   * @param workedMs how long the slice took
   */
  async rest(workedMs: number, signal: AbortSignal): Promise<void> {
    const durable = this.#durable();
    const isIdle = durable === this.#seen;
    this.#seen = durable;
    if (isIdle || signal.aborted) return;
    // It rejects for nothing but the signal, which whoever goes on looks at.
    await sleep(workedMs * REST, undefined, { signal, ref: false }).catch(() => undefined);
  }
}
