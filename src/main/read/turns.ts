/**
 * The turns of the event loop that reads leave to everything else. What is in the cache, or is read at once, awaits nothing but promises
 * that are settled: one long read, or a loop of short ones, would keep timers, sockets and the acknowledgement of appends waiting for ever.
 */
import { setImmediate as giveThreadBack } from 'node:timers/promises';

/** So long all reads together may take a turn. */
const TURN_MS = 5;

export class Turns {
  /** When the first read of this turn asked; undefined where none has. */
  #began: number | undefined;
  readonly #end = (): void => {
    this.#began = undefined;
  };

  /** To be asked where a read begins, and between its batches: undefined where it may go on, or what it has to wait for. */
  over(): Promise<void> | undefined {
    const now = performance.now();
    if (this.#began !== undefined) return now - this.#began < TURN_MS ? undefined : giveThreadBack();
    this.#began = now;
    setImmediate(this.#end).unref();
    return undefined;
  }
}
