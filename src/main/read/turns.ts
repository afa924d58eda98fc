/**
 * The turns of the event loop that reads leave to everything else. What is in the cache, or is read at once, awaits nothing but promises
 * that are settled: one long read, or a loop of short ones, would keep timers, sockets and the acknowledgement of appends waiting for ever.
 */
import { setImmediate as giveThreadBack } from 'node:timers/promises';

/** So long all reads together may take a turn. */
const TURN_MS = 5;

export class Turns {
  /** When reads began in this turn; undefined where none has. */
  #began: number | undefined;
  readonly #end = (): void => {
    this.#began = undefined;
  };

  /** To be asked where a read begins, and between its batches: undefined where it may go on, or what it has to wait for. */
  over(): Promise<void> | undefined {
    const now = performance.now();
    if (this.#began === undefined) this.#begin(now);
    else if (now - this.#began >= TURN_MS) return this.#next();
    return undefined;
  }

  #begin(now: number): void {
    this.#began = now;
    setImmediate(this.#end).unref();
  }

  async #next(): Promise<void> {
    await giveThreadBack();
    if (this.#began === undefined) this.#begin(performance.now());
  }
}
