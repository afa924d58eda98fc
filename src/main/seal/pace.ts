/** How sealing in the background gives way to appends: while there are any, it rests after each slice of its work. */
import { setTimeout as sleep } from 'node:timers/promises';

/** A rest is so many times as long as the slice before it: a quarter of a processor is left for sealing. */
const REST = 3;
/** Appends that come so fast are a bulk load, which wants the processors for itself: sealing waits until it is over, or as long as it may. */
const FAST_EVENTS_PER_MS = 75;
const FAST_BYTES_PER_MS = 65_536;
/** How often it looks whether it is over. */
const LOOK_MS = 100;
/** So much may wait to be sealed meanwhile, or less where retention has a limit that it has to keep by what is sealed. Unit: bytes. */
const MOST_WAITING_BYTES = 2 * 1024 ** 3;
const PART_OF_LIMIT = 4;

/** What is appended, and what waits for it. */
export interface Load {
  /** The last durable sequence. */
  durable(): number;
  /** Bytes that have become durable. */
  durableBytes(): number;
  /** Bytes of segments that are full and not sealed. */
  waitingBytes(): number;
}

/** What is done between two slices. */
export interface Between {
  /** Throws where it is not to go on. */
  check(): void;
  rest(workedMs: number): Promise<void>;
}

export class Pace {
  readonly #load: Load;
  readonly #mostWaiting: number;
  #durable: number;
  #bytes: number;
  #lookedMs = performance.now();

  /** @param limitBytes of retention, where it has one */
  constructor(load: Load, limitBytes = Number.POSITIVE_INFINITY) {
    this.#load = load;
    this.#mostWaiting = Math.min(MOST_WAITING_BYTES, limitBytes / PART_OF_LIMIT);
    this.#durable = load.durable();
    this.#bytes = load.durableBytes();
  }

  /**
   * Rest after a slice, unless nobody has appended since the last one. Resolves early where it is aborted. Keeps no process alive.
   * @param workedMs how long the slice took
   */
  async rest(workedMs: number, signal: AbortSignal): Promise<void> {
    let appends = this.#look();
    while (appends === 'fast' && !signal.aborted && this.#load.waitingBytes() < this.#mostWaiting) {
      await slept(LOOK_MS, signal);
      appends = this.#look();
    }
    if (appends !== 'none' && !signal.aborted) await slept(workedMs * REST, signal);
  }

  /** How fast appends have come since the last look. */
  #look(): 'none' | 'some' | 'fast' {
    const [durable, bytes, nowMs] = [this.#load.durable(), this.#load.durableBytes(), performance.now()];
    const [events, grown, ms] = [durable - this.#durable, bytes - this.#bytes, nowMs - this.#lookedMs];
    [this.#durable, this.#bytes, this.#lookedMs] = [durable, bytes, nowMs];
    if (events === 0) return 'none';
    return events > FAST_EVENTS_PER_MS * ms || grown > FAST_BYTES_PER_MS * ms ? 'fast' : 'some';
  }
}

async function slept(ms: number, signal: AbortSignal): Promise<void> {
  // It rejects for nothing but the signal, which whoever goes on looks at.
  await sleep(ms, undefined, { signal, ref: false }).catch(() => undefined);
}
