/**
 * Which streams were deleted, and up to where: what a stream has before its newest durable tombstone is not read any more. The
 * tombstone itself is, which is how followers learn of it. In memory, about 150 bytes for each stream that was deleted.
 */
import { type Memory, recordParts } from '../../shared/format/record.js';
import { isRemoved } from '../../shared/format/removed-record.js';
import type { Postings } from './postings.js';

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
  readonly #sequences = new Map<string, number>();
  #newest = 0;

  get newest(): number {
    return this.#newest;
  }

  get count(): number {
    return this.#sequences.size;
  }

  of(stream: string): number {
    return this.#sequences.get(stream) ?? 0;
  }

  hides(sequence: number, memory: Memory, at: number): boolean {
    if (isRemoved(memory.view, at)) return true;
    return sequence < this.#newest && sequence < this.of(streamOf(memory, at));
  }

  /** A tombstone is durable. */
  add(stream: string, sequence: number): void {
    if (sequence <= this.of(stream)) return;
    this.#sequences.set(stream, sequence);
    this.#newest = Math.max(this.#newest, sequence);
  }

  /** Forget those below a floor, with all that they hide. */
  dropBelow(floor: number): void {
    for (const [stream, sequence] of this.#sequences) if (sequence < floor) this.#sequences.delete(stream);
  }

  [Symbol.iterator](): Iterator<readonly [stream: string, sequence: number]> {
    return this.#sequences[Symbol.iterator]();
  }
}

function streamOf({ view, bytes }: Memory, at: number): string {
  const { stream, type } = recordParts(view, at);
  return bytes.toString('utf8', stream, type);
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
