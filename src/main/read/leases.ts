/**
 * Leases: what is being read. Retention removes no segment that a lease still needs. A reader that does not go on loses its
 * lease after a while, as nobody may have told that it was left; if it then goes on after all, it reads on, or is told that
 * what it wants was removed.
 */

/** A lease holds for so long after its reader was last seen. Unit: milliseconds. */
export const LEASE_MS = 600_000;

export interface Lease {
  /** The reader lives, and needs nothing below a sequence any more; without one, what it needed before. */
  moveTo(sequence?: number): void;
  /** May be called again. */
  end(): void;
}

interface Held {
  lowest: number;
  seenMs: number;
}

export class Leases {
  readonly #held = new Set<Held>();
  readonly #nowMs: () => number;
  #waiting: { readonly sequence: number; readonly go: () => void } | undefined;

  /** @param nowMs a clock that does not step */
  constructor(nowMs: () => number = () => performance.now()) {
    this.#nowMs = nowMs;
  }

  /** For a reader that needs what is from a sequence on. */
  take(sequence: number): Lease {
    const held: Held = { lowest: sequence, seenMs: this.#nowMs() };
    this.#held.add(held);
    let ended = false;
    return {
      moveTo: (lowest = held.lowest) => {
        if (ended) return;
        held.seenMs = this.#nowMs();
        held.lowest = lowest;
        this.#held.add(held); // it may have been lost
        this.#changed();
      },
      end: () => {
        ended = true;
        this.#held.delete(held);
        this.#changed();
      },
    };
  }

  /** What somebody needs: everything from here on. */
  get lowest(): number {
    const oldest = this.#nowMs() - LEASE_MS;
    let lowest = Number.POSITIVE_INFINITY;
    for (const held of this.#held) {
      if (held.seenMs < oldest) this.#held.delete(held);
      else lowest = Math.min(lowest, held.lowest);
    }
    return lowest;
  }

  /** Call once nobody needs a sequence any more; the last one that was asked for counts. */
  whenAbove(sequence: number, go: () => void): void {
    this.#waiting = { sequence, go };
  }

  /**
   * Do something in the moment in which nobody needs a sequence any more, or what is below, however short that moment is: once a
   * promise has told of it, the next one may have begun to read. So it begins before whoever lets go goes on.
   * @param end ends the waiting
   * @returns undefined where there is none for so long that a reader who does not go on has lost its lease, or until the end
   */
  async inGap<T>(sequence: number, end: AbortSignal, act: () => Promise<T>): Promise<T | undefined> {
    if (this.lowest > sequence) return act();
    if (end.aborted) return undefined;
    return new Promise((resolve) => {
      let isOver = false;
      const done = (result: Promise<T> | undefined): void => {
        isOver = true;
        clearTimeout(timer);
        end.removeEventListener('abort', giveUp);
        resolve(result);
      };
      const giveUp = (): void => done(undefined);
      // A lease that is lost is told of by nobody.
      const timer = setTimeout(() => done(this.lowest > sequence ? act() : undefined), LEASE_MS).unref();
      end.addEventListener('abort', giveUp);
      this.whenAbove(sequence, () => {
        if (!isOver) done(act());
      });
    });
  }

  #changed(): void {
    const waiting = this.#waiting;
    if (waiting === undefined || this.lowest <= waiting.sequence) return;
    this.#waiting = undefined;
    waiting.go();
  }
}
