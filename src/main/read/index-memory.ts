/** What is in memory of indexes, within a budget: sections of index files, and whole indexes of segments that have none. */
import { LRUCache } from 'lru-cache';

export class IndexMemory {
  readonly budget: number;
  readonly #held: LRUCache<string, object>;

  /** @param budget in bytes */
  constructor(budget: number) {
    this.budget = budget;
    // None is held where there is no budget: the least item takes more.
    this.#held = new LRUCache({ maxSize: Math.max(1, budget) });
  }

  /** In use. */
  get bytes(): number {
    return this.#held.calculatedSize;
  }

  get(key: string): object | undefined {
    return this.#held.get(key);
  }

  /**
   * Hold an item, or say how large it is by now; others make room for it.
   * @returns false where it alone is over the budget: then it is not held
   */
  put(key: string, item: object, bytes: number): boolean {
    // One that is held already keeps the size that it came with.
    this.#held.delete(key);
    this.#held.set(key, item, { size: Math.max(1, bytes) }); // what was just begun has none
    return bytes <= this.budget;
  }

  delete(key: string): void {
    this.#held.delete(key);
  }

  /** Let go of everything whose key begins so. */
  deleteAll(beginning: string): void {
    for (const key of this.#held.keys()) if (key.startsWith(beginning)) this.#held.delete(key);
  }
}

/** The key of the index of a segment that is built in memory. */
export function rawIndexName(number: number): string {
  return `raw ${number}`;
}
