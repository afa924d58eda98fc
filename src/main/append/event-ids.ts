/**
 * Makes the ids of one store's events. Successive ids begin alike and their numbers follow each other: three digits at a
 * time come from a table, and what stands before them is kept until it changes, as turning numbers into digits is what
 * an id costs.
 */

/** '000' to '999'. */
const DIGITS: readonly string[] = Array.from({ length: 1000 }, (_, n) => String(n).padStart(3, '0'));

const NS_PER_SECOND = 1_000_000_000;
const NS_PER_MS = 1_000_000;

export class EventIds {
  readonly #nodeId: string;
  /** What the ids of a millisecond begin with. */
  #ms = -1;
  #msText = '';
  /** What follows for a thousand sequences. */
  #thousand = -1;
  #thousandText = '';

  constructor(nodeId: string) {
    this.#nodeId = `_${nodeId}`;
  }

  /**
   * The ids of events whose sequences and timestamps follow each other, the latter by a nanosecond.
   * @param seconds, nanos the time of the last one
   */
  consecutive(seconds: number, nanos: number, firstSequence: number, count: number): string[] {
    const ids = new Array<string>(count);
    for (let i = 0; i < count; i++) {
      const ns = nanos - (count - 1 - i);
      ids[i] =
        ns < 0
          ? this.#id(seconds - 1, ns + NS_PER_SECOND, firstSequence + i)
          : this.#id(seconds, ns, firstSequence + i);
    }
    return ids;
  }

  #id(seconds: number, nanos: number, sequence: number): string {
    const milli = Math.floor(nanos / NS_PER_MS);
    const ms = seconds * 1000 + milli;
    if (ms !== this.#ms) {
      this.#ms = ms;
      this.#msText = String(ms);
    }
    const thousand = Math.floor(sequence / 1000);
    if (thousand !== this.#thousand) {
      this.#thousand = thousand;
      this.#thousandText = `_${thousand}`;
    }
    const rest = nanos - milli * NS_PER_MS;
    const micro = Math.floor(rest / 1000);
    const time = this.#msText + DIGITS[micro]! + DIGITS[rest - micro * 1000]!;
    if (thousand === 0) return `${time}_${sequence}${this.#nodeId}`;
    return time + this.#thousandText + DIGITS[sequence - thousand * 1000]! + this.#nodeId;
  }
}
