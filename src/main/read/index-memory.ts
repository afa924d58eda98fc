/** What is in memory of indexes, within a budget: sections of index files, and whole indexes of segments that have none. */

interface Held {
  readonly item: object;
  bytes: number;
}

export class IndexMemory {
  readonly budget: number;
  /** The longest unused first. */
  readonly #held = new Map<string, Held>();
  #bytes = 0;

  /** @param budget in bytes */
  constructor(budget: number) {
    this.budget = budget;
  }

  /** In use. */
  get bytes(): number {
    return this.#bytes;
  }

  get(key: string): object | undefined {
    const held = this.#held.get(key);
    if (held === undefined) return undefined;
    // Moved to the end: the most recently used.
    this.#held.delete(key);
    this.#held.set(key, held);
    return held.item;
  }

  /**
   * Hold an item, or say how large it is by now; others make room for it.
   * @returns false where it alone is over the budget: then it is not held
   */
  put(key: string, item: object, bytes: number): boolean {
    this.delete(key);
    if (bytes > this.budget) return false;
    this.#held.set(key, { item, bytes });
    this.#bytes += bytes;
    for (const other of this.#held.keys()) {
      if (this.#bytes <= this.budget) break;
      this.delete(other);
    }
    return true;
  }

  delete(key: string): void {
    this.#bytes -= this.#held.get(key)?.bytes ?? 0;
    this.#held.delete(key);
  }

  /** Let go of everything whose key begins so. */
  deleteAll(beginning: string): void {
    for (const key of this.#held.keys()) if (key.startsWith(beginning)) this.delete(key);
  }
}

/** The key of the index of a segment that is built in memory. */
export function rawIndexName(number: number): string {
  return `raw ${number}`;
}
