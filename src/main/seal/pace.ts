/** How sealing in the background gives way to appends: while there are any, it rests after each slice of its work. */
import { setTimeout as sleep } from 'node:timers/promises';

/**
 * A rest is so many times as long as the slice before it: a quarter of a processor is left for sealing. Where events come faster than it could
 * follow by that anyway, as in a bulk load, they get more: it catches up behind them.
 */
const REST = 3;
const REST_BEHIND = 15;
const FAST_PER_MS = 75;

/** What is done between two slices. */
export interface Between {
  /** Throws where it is not to go on. */
  check(): void;
  rest(workedMs: number): Promise<void>;
}

export class Pace {
  readonly #durable: () => number;
  #seen: number;
  #lookedMs = performance.now();

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
    const nowMs = performance.now();
    const came = durable - this.#seen;
    const isFast = came > FAST_PER_MS * (nowMs - this.#lookedMs);
    this.#seen = durable;
    this.#lookedMs = nowMs;
    if (came === 0 || signal.aborted) return;
    // It rejects for nothing but the signal, which whoever goes on looks at.
    await sleep(workedMs * (isFast ? REST_BEHIND : REST), undefined, { signal, ref: false }).catch(() => undefined);
  }
}
