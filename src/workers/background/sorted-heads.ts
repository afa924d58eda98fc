/** Changed heads in the order of their hashes. */
import { type Entries, type EntryAt, readerOf } from '../../shared/entries.js';
import { compareHashes } from '../../shared/format/checkpoint.js';
import type { Workspace } from './workspace.js';

/** Heads are dealt into so many buckets by the upper bits of their hashes before they are sorted. */
const BUCKETS = 2 ** 16;

/** A row of heads, read one at a time. */
export interface SortedHeads {
  readonly count: number;
  at(place: number): EntryAt;
}

/**
 * A counting sort deals their numbers into buckets, which then are a handful each; so nothing is made for a head but its number.
 * What it returns holds until the next call with the same workspace.
 */
export function sortedByHash(heads: Entries, workspace: Workspace): SortedHeads {
  const headAt = readerOf(heads);
  const bucketOf = ({ entries, at }: EntryAt): number => entries.view.getUint16(at + 6, true);
  const ends = workspace.ends(BUCKETS + 1);
  for (let i = 0; i < heads.count; i++) ends[bucketOf(headAt(i)) + 1]!++;
  for (let bucket = 0; bucket < BUCKETS; bucket++) ends[bucket + 1]! += ends[bucket]!;
  const order = workspace.order(heads.count);
  // From here on ends[bucket] is where the next head of the bucket goes: in the end, where the bucket ends.
  for (let i = 0; i < heads.count; i++) order[ends[bucketOf(headAt(i))]!++] = i;
  for (let bucket = 0, from = 0; bucket < BUCKETS; from = ends[bucket++]!) {
    sortByInsertion(order, from, ends[bucket]!, headAt);
  }
  return { count: heads.count, at: (place) => headAt(order[place]!) };
}

function sortByInsertion(order: Uint32Array, from: number, end: number, headAt: (index: number) => EntryAt): void {
  for (let i = from + 1; i < end; i++) {
    const moved = order[i]!;
    const { entries, at } = headAt(moved);
    let to = i;
    for (; to > from; to--) {
      const before = headAt(order[to - 1]!);
      if (compareHashes(before.entries.view, before.at, entries.view, at) <= 0) break;
      order[to] = order[to - 1]!;
    }
    order[to] = moved;
  }
}
