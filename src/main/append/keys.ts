/** Idempotency keys: where the events with recent keys stand. Keys are forgotten oldest first. */
import type { Entries } from '../../shared/entries.js';
import type { NameHash, NameHasher } from '../../shared/format/name-hash.js';
import { HashTable } from './hash-table.js';

/** Memory meant for a million keys. */
export const KEYS_BUDGET_BYTES = 64 * 1024 * 1024;

export class Keys {
  readonly #hasher: NameHasher;
  readonly #maxKeys: number;
  readonly #maxAgeMs: number;
  readonly #table = new HashTable();

  constructor(hasher: NameHasher, maxKeys: number, maxAgeMs: number) {
    this.#hasher = hasher;
    this.#maxKeys = maxKeys;
    this.#maxAgeMs = maxAgeMs;
  }

  /** Memory in use. Unit: bytes. */
  get bytes(): number {
    return this.#table.bytes;
  }

  get count(): number {
    return this.#table.count;
  }

  /** The sequence of the event with a key, or 0. */
  find(key: string): number {
    const entry = this.#table.find(this.#hasher.hash(key));
    return entry === -1 ? 0 : this.#table.first(entry);
  }

  /** Remember a key that is not known. */
  add(key: string, sequence: number, timeMs: number): void {
    this.addHash(this.#hasher.hash(key), sequence, timeMs);
  }

  /** The same for a key of which only the hash is known. */
  addHash(hash: NameHash, sequence: number, timeMs: number): void {
    if (this.#maxKeys === 0) return;
    while (this.#table.count >= this.#maxKeys || this.#isOld(timeMs)) this.#table.removeOldest();
    // A key that was forgotten and came again before a restart is in the log twice: the later event is the one meant.
    const entry = this.#table.find(hash);
    if (entry === -1) this.#table.add(hash, sequence, timeMs);
    else this.#table.update(entry, sequence, timeMs);
  }

  /** Forget those that are too old by now, and return the lowest sequence of an event whose key is still known. */
  lowestAt(nowMs: number): number {
    while (this.#isOld(nowMs)) this.#table.removeOldest();
    let lowest = Number.POSITIVE_INFINITY;
    this.#table.forEach((_, sequence) => {
      lowest = Math.min(lowest, sequence);
    });
    return lowest;
  }

  /** Forget a key again: what bore it was given up. Keys are given up latest first. */
  takeBack(key: string, sequence: number): void {
    const entry = this.#table.find(this.#hasher.hash(key));
    if (entry !== -1 && this.#table.first(entry) === sequence) this.#table.removeNewest();
  }

  /** All keys, oldest first, in the table's own memory: keys that are only added and forgotten do not change them. */
  entries(): Entries {
    return this.#table.entries();
  }

  #isOld(nowMs: number): boolean {
    return this.#table.count > 0 && nowMs - this.#table.second(this.#table.oldest) > this.#maxAgeMs;
  }
}
