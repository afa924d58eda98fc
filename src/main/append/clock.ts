/**
 * The store's clock: a hybrid logical clock (Kulkarni et al. 2014) for one node. It gives the wall clock's time when
 * that is ahead, else the last one plus one nanosecond, so that timestamps increase strictly whatever the wall clock does.
 *
 * Time is kept as seconds and nanoseconds of the second, two small integers: neither needs a BigInt on the hot path.
 */

const NS_PER_SECOND = 1_000_000_000;
const TWO_32 = 2 ** 32;
/** A step of the wall clock against the monotonic one that is reported. Unit: milliseconds. */
const REPORTED_JUMP_MS = 3_600_000;
/** The two clocks are compared so often at most. Unit: milliseconds. */
const COMPARE_MS = 1;
/** Wall and monotonic clock may differ by so much before the wall clock is followed. Unit: milliseconds. */
const DRIFT_MS = 2;

/** The clocks of this machine, to be replaced in tests. */
export interface ClockSource {
  /** Milliseconds since 1970. */
  wallMs(): number;
  /** Milliseconds, with a fraction, from some moment on. Never steps. */
  monotonicMs(): number;
}

export const systemClock: ClockSource = { wallMs: () => Date.now(), monotonicMs: () => performance.now() };

export class Clock {
  readonly #source: ClockSource;
  readonly #onJump: (jumpMs: number) => void;
  /** Wall time is monotonic time plus this. */
  #offsetMs: number;
  /** When the two were compared last, by the monotonic one. */
  #comparedMs: number;
  #seconds = 0;
  #nanos = 0;

  /** @param onJump called when the wall clock has stepped by more than an hour */
  constructor(source: ClockSource, onJump: (jumpMs: number) => void) {
    this.#source = source;
    this.#onJump = onJump;
    this.#comparedMs = source.monotonicMs();
    this.#offsetMs = source.wallMs() - this.#comparedMs;
  }

  /** The time that was given out last. */
  get seconds(): number {
    return this.#seconds;
  }

  get nanos(): number {
    return this.#nanos;
  }

  /** Never give out this time or an earlier one. */
  advanceTo(timestampNs: bigint): void {
    const seconds = Number(timestampNs / BigInt(NS_PER_SECOND));
    const nanos = Number(timestampNs % BigInt(NS_PER_SECOND));
    if (seconds < this.#seconds || (seconds === this.#seconds && nanos <= this.#nanos)) return;
    this.#seconds = seconds;
    this.#nanos = nanos;
  }

  /**
   * Take `count` consecutive nanoseconds that were never given out. `seconds` and `nanos` are the last of them; the
   * first is `count - 1` before it.
   */
  take(count: number): void {
    const monotonicMs = this.#source.monotonicMs();
    if (monotonicMs - this.#comparedMs >= COMPARE_MS) this.#compare(monotonicMs);
    const wallMs = monotonicMs + this.#offsetMs;
    const seconds = Math.floor(wallMs / 1000);
    const nanos = Math.floor((wallMs - seconds * 1000) * 1000) * 1000;
    if (seconds > this.#seconds || (seconds === this.#seconds && nanos > this.#nanos)) {
      this.#seconds = seconds;
      this.#nanos = nanos + count - 1;
    } else {
      this.#nanos += count;
    }
    if (this.#nanos >= NS_PER_SECOND) {
      this.#seconds += 1;
      this.#nanos -= NS_PER_SECOND;
    }
  }

  /** Milliseconds since 1970, by the wall clock, whose jumps are told of first. */
  wallMs(): number {
    this.#compare(this.#source.monotonicMs());
    return this.#source.wallMs();
  }

  #compare(monotonicMs: number): void {
    this.#comparedMs = monotonicMs;
    const drift = this.#source.wallMs() - (monotonicMs + this.#offsetMs);
    if (drift <= DRIFT_MS && drift >= -DRIFT_MS) return;
    if (Math.abs(drift) > REPORTED_JUMP_MS) this.#onJump(drift);
    this.#offsetMs += drift;
  }
}

/** Seconds and nanoseconds as one number of nanoseconds. */
export function toNs(seconds: number, nanos: number): bigint {
  return BigInt(seconds) * BigInt(NS_PER_SECOND) + BigInt(nanos);
}

/** The two halves of `seconds * 10^9 + nanos` as unsigned 32-bit numbers, in exact arithmetic. */
export function toHalves(seconds: number, nanos: number): { high: number; low: number } {
  // seconds < 2^34 and 10^9 < 2^30: split seconds so that no product exceeds 2^53.
  const upper = Math.floor(seconds / 65_536) * NS_PER_SECOND; // times 2^16
  const lower = (seconds % 65_536) * NS_PER_SECOND + nanos;
  const rest = (upper % 65_536) * 65_536 + lower;
  return { high: Math.floor(upper / 65_536) + Math.floor(rest / TWO_32), low: rest % TWO_32 };
}
