/** Between two slices of copying: whether to go on at all, and how long to rest while there are appends. */
import { COPY_WORD } from '../../shared/backup-jobs.js';
import { KeeperError } from '../../shared/portable/errors.js';

/** A rest is so many times as long as the slice before it, as sealing rests: a quarter of disk and processor is left for copying. */
const REST = 3;
/** After a slice in which the disk hung. Unit: milliseconds. */
const MAX_REST_MS = 1000;

/** What it needs of the machine. */
export interface PaceClock {
  /** Milliseconds. */
  now(): number;
  /** Block the thread, until the word is not zero any more or the time is over. */
  wait(control: Int32Array, word: number, ms: number): void;
}

const CLOCK: PaceClock = {
  now: () => performance.now(),
  wait: (control, word, ms) => void Atomics.wait(control, word, 0, ms),
};

export class CopyPace {
  readonly #control: Int32Array;
  readonly #clock: PaceClock;
  #since: number;

  /** @param control the words that the one who has asked for the job writes */
  constructor(control: Int32Array, clock = CLOCK) {
    this.#control = control;
    this.#clock = clock;
    this.#since = clock.now();
  }

  /** @throws ERR_ABORTED where the job is to end, also while it rests */
  pause(): void {
    this.#check();
    if (Atomics.load(this.#control, COPY_WORD.busy) !== 0) {
      const workedMs = this.#clock.now() - this.#since;
      this.#clock.wait(this.#control, COPY_WORD.stop, Math.min(workedMs * REST, MAX_REST_MS));
      this.#check();
    }
    this.#since = this.#clock.now();
  }

  #check(): void {
    if (Atomics.load(this.#control, COPY_WORD.stop) === 0) return;
    throw new KeeperError('ERR_ABORTED', 'it was asked to end');
  }
}
