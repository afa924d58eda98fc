/** The wall clock, from which timestamps are made: that it stands somewhere near the truth, and does not jump. */
import { setTimeout as delay } from 'node:timers/promises';
import { type Finding, ok, problem, warning } from './finding.js';

/** So long it is watched at least. Unit: milliseconds. */
const WATCH_MS = 250;
/** The clock has milliseconds, and is read a moment after the other one. Unit: milliseconds. */
const STEP_MS = 5;
/** A machine without a battery begins in 1970, or when its firmware was made. */
const FIRST_YEAR = 2025;
const LAST_YEAR = 2200;

const ADVICE = 'Have a time service (chrony, systemd-timesyncd) set the clock, by slewing rather than by steps.';

/** Compares the wall clock with the monotonic one from its making on. */
export class ClockWatch {
  readonly #startMs = performance.now();
  readonly #offsetMs = Date.now() - performance.now();

  async finding(signal: AbortSignal): Promise<Finding> {
    const left = this.#startMs + WATCH_MS - performance.now();
    if (left > 0) await delay(left, undefined, { signal }).catch(() => signal.throwIfAborted());
    const watchedMs = Math.round(performance.now() - this.#startMs);
    const stepMs = Math.round(Date.now() - performance.now() - this.#offsetMs);
    const now = new Date(Date.now());
    const measured = { time: now.toISOString(), stepMs, watchedMs };
    const year = now.getUTCFullYear();
    if (year < FIRST_YEAR || year > LAST_YEAR) {
      return problem(
        'clock',
        `says ${measured.time}`,
        measured,
        `${ADVICE} Timestamps never go back once it was ahead.`,
      );
    }
    if (Math.abs(stepMs) > STEP_MS) {
      return warning('clock', `jumped by ${stepMs} ms within ${watchedMs} ms`, measured, ADVICE);
    }
    return ok('clock', `${measured.time}, no step within ${watchedMs} ms`, measured);
  }
}
