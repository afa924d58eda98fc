/**
 * Which streams were deleted, and up to where: what a stream has before its newest durable tombstone is not read any more. The
 * tombstone itself is, which is how followers learn of it.
 */
import { type Memory, recordParts } from '../../shared/format/record.js';
import { isRemoved } from '../../shared/format/removed-record.js';
import type { PackedTombstones } from '../../shared/format/tombstones.js';
import type { Postings } from './postings.js';
import { TombstoneTable } from './tombstone-table.js';

/** What a million deleted streams take whose names have 40 bytes. */
export const TOMBSTONES_BUDGET_BYTES = 64 * 1024 * 1024;

/** What is asked of the tombstones in force. */
export interface TombstonesInForce extends Iterable<readonly [stream: string, sequence: number]> {
  /** The highest sequence of one; 0 where there is none. */
  readonly newest: number;
  /** How many streams have one. */
  readonly count: number;
  /** The sequence of a stream's newest tombstone; 0 where it has none. */
  of(stream: string): number;
  /** Whether the record of a sequence, at a place in some memory, was deleted; or stands for it, as it was removed since. */
  hides(sequence: number, memory: Memory, at: number): boolean;
}

export class Tombstones implements TombstonesInForce {
  readonly #table = new TombstoneTable();
  #newest = 0;

  get newest(): number {
    return this.#newest;
  }

  get count(): number {
    return this.#table.count;
  }

  of(stream: string): number {
    const name = Buffer.from(stream);
    return this.#table.get(name, 0, name.length);
  }

  hides(sequence: number, memory: Memory, at: number): boolean {
    if (isRemoved(memory.view, at)) return true;
    if (sequence >= this.#newest) return false;
    const { stream, type } = recordParts(memory.view, at);
    return sequence < this.#table.get(memory.bytes, stream, type);
  }

  /** A tombstone is durable. */
  add(stream: string, sequence: number): void {
    const name = Buffer.from(stream);
    if (sequence <= this.#table.get(name, 0, name.length)) return;
    this.#table.set(name, sequence);
    this.#newest = Math.max(this.#newest, sequence);
  }

  /** Forget those below a floor, with all that they hide. */
  dropBelow(floor: number): void {
    this.#table.dropBelow(floor);
  }

  /** Memory in use. */
  get bytes(): number {
    return this.#table.bytes;
  }

  /** All of them, as their file is to have them. */
  pack(): PackedTombstones {
    return this.#table.pack();
  }

  [Symbol.iterator](): Iterator<readonly [stream: string, sequence: number]> {
    return this.#table[Symbol.iterator]();
  }
}

/** Whether postings tell of records in a range that were deleted. */
export async function hasDeleted(
  tombstones: TombstonesInForce,
  postings: Postings,
  low: number,
  high: number,
): Promise<boolean> {
  if (low >= tombstones.newest) return false;
  for (const [stream, sequence] of tombstones) {
    if (sequence <= low) continue;
    const list = await postings.ofValue('stream', stream);
    if (list.count > 0 && (await list.within(low, Math.min(high, sequence - 1))).length > 0) return true;
  }
  return false;
}
