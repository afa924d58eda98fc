/** Sequences that compaction has removed: as many of them as tell whether any is between two others. */
export class RemovedSequences {
  /** Ascending: the first and the last of each range. */
  readonly #bounds: number[] = [];

  /** All of a range were removed, which comes behind those that were added before. */
  add(first: number, last: number): void {
    const { length } = this.#bounds;
    if (this.#bounds[length - 1] === first - 1) this.#bounds[length - 1] = last;
    else this.#bounds.push(first, last);
  }

  /** The first and the last one of all; nothing where there is none. */
  get ends(): number[] {
    const [first] = this.#bounds;
    return first === undefined ? [] : [first, this.#bounds.at(-1)!];
  }

  /** Whether one that was added, as the first or the last one of a range, is between two others. */
  isBetween(low: number, high: number): boolean {
    let [from, to] = [0, this.#bounds.length];
    while (from < to) {
      const middle = (from + to) >>> 1;
      if (this.#bounds[middle]! > low) to = middle;
      else from = middle + 1;
    }
    return (this.#bounds[from] ?? Number.POSITIVE_INFINITY) < high;
  }
}
