/** What is in memory of indexes, within a budget: sections of index files, and whole indexes of segments that have none. */
import { LRUCache } from 'lru-cache';

/** So many of those that were asked once are remembered, in each of two generations. */
const ASKED = 512;

export class IndexMemory {
  readonly budget: number;
  readonly #held: LRUCache<string, object>;
  #asked = new Set<string>();
  #askedBefore = new Set<string>();

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
   * Whether something that is not held was asked before, not long ago. What is asked once is not worth its place: of the many blocks that
   * are looked into for a rare value, it would push out what all searches want (2Q: Johnson and Shasha, VLDB 1994).
   */
  isAskedAgain(key: string): boolean {
    if (this.#asked.delete(key) || this.#askedBefore.delete(key)) return true;
    this.#asked.add(key);
    if (this.#asked.size === ASKED) {
      this.#askedBefore = this.#asked;
      this.#asked = new Set();
    }
    return false;
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
