/**
 * Writes a table of heads and keys, as {@link file://../../shared/format/checkpoint.ts} draws it: the heads of an older one merged with those that
 * have changed, and keys.
 */
import type { Bytes, Entries, EntryAt } from '../../shared/entries.js';
import {
  addToFilter,
  blocksOf,
  type CheckpointSections,
  compareHashes,
  ENTRIES_PER_BLOCK,
  ENTRY_BYTES,
  FENCE_BYTES,
  filterBytesFor,
  isFilterFor,
} from '../../shared/format/checkpoint.js';
import { type FileHandle, type Storage, writeFully } from '../../shared/storage.js';
import { BlockWriter } from './block-writer.js';
import type { HeadsOfBlock, OldHeads } from './old-heads.js';
import { type SortedHeads, sortedByHash } from './sorted-heads.js';
import type { Workspace } from './workspace.js';

/** What goes into a table. */
export interface TableContent {
  readonly sequence: number;
  readonly before: OldHeads;
  /** Changed heads, unsorted. */
  readonly heads: Entries;
  /** Oldest first. */
  readonly keys: Iterable<EntryAt>;
}

/** Write everything but the header, whose place is left; returns what it says. */
export function writeTable(
  storage: Storage,
  handle: FileHandle,
  workspace: Workspace,
  { sequence, before, heads: changed, keys: live }: TableContent,
): CheckpointSections {
  const blocks = new BlockWriter(storage, handle, sequence, workspace.hasher);
  const { heads, fences, filter } = writeHeads(blocks, workspace, before, changed);
  let keys = 0;
  for (const { entries, at } of live) {
    blocks.add(entries.bytes, at);
    keys++;
  }
  blocks.endSection();
  const parts = [fences, filter].filter((part) => part.length > 0);
  writeFully(storage, handle, parts, blocks.offset);
  return { sequence, heads, keys, fences, filter };
}

function writeHeads(
  blocks: BlockWriter,
  workspace: Workspace,
  before: OldHeads,
  changed: Entries,
): { heads: number; fences: Buffer; filter: Buffer } {
  const atMost = before.count + changed.count;
  // Most heads are in the older filter already; where it has room for all of them, it is gone on with.
  const isKept = isFilterFor(before.filterBytes, atMost);
  const filter = workspace.filter(isKept ? before.filterBytes : filterBytesFor(atMost));
  const hasOld = isKept && before.readFilter(filter);
  if (isKept && !hasOld) filter.fill(0);
  const fences = workspace.fences(blocksOf(atMost) * FENCE_BYTES);
  let heads = 0;
  const add = ({ bytes, view }: Bytes, at: number, count: number, isInFilter: boolean): void => {
    blocks.add(bytes, at, count);
    for (let i = firstOfBlock(heads) - heads; i < count; i += ENTRIES_PER_BLOCK) {
      const head = at + i * ENTRY_BYTES;
      fences.set(bytes.subarray(head, head + FENCE_BYTES), ((heads + i) / ENTRIES_PER_BLOCK) * FENCE_BYTES);
    }
    heads += count;
    if (isInFilter) return;
    for (let head = at; head < at + count * ENTRY_BYTES; head += ENTRY_BYTES) {
      addToFilter(filter, view.getUint32(head, true), view.getUint32(head + 4, true));
    }
  };
  const sorted = sortedByHash(changed, workspace);
  let next = 0;
  for (const block of before.blocks()) {
    next = mergeBlock(block, sorted, next, add, hasOld);
  }
  for (; next < sorted.count; next++) {
    const { entries, at } = sorted.at(next);
    add(entries, at, 1, false);
  }
  blocks.endSection();
  return { heads, fences: fences.subarray(0, blocksOf(heads) * FENCE_BYTES), filter };
}

/**
 * Add the heads of a block and the changed ones that belong before its last one, from one of them on: of two with the same hash
 * the changed one. Returns which of the changed ones is the next.
 */
function mergeBlock(
  { entries, at, count }: HeadsOfBlock,
  changed: SortedHeads,
  from: number,
  add: (entries: Bytes, at: number, count: number, isInFilter: boolean) => void,
  hasOld: boolean,
): number {
  let next = from;
  let done = 0;
  while (done < count && next < changed.count) {
    const head = changed.at(next);
    const until = placeOf(entries, at, done, count, head);
    if (until > done) add(entries, at + done * ENTRY_BYTES, until - done, hasOld);
    done = until;
    if (until === count) break;
    const isSame = compareHashes(entries.view, at + until * ENTRY_BYTES, head.entries.view, head.at) === 0;
    add(head.entries, head.at, 1, isSame && hasOld);
    if (isSame) done++;
    next++;
  }
  if (done < count) add(entries, at + done * ENTRY_BYTES, count - done, hasOld);
  return next;
}

/** The first of a block's heads, from one of them on, that does not come before another. */
function placeOf({ view }: Bytes, at: number, from: number, count: number, head: EntryAt): number {
  let low = from;
  let high = count;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (compareHashes(view, at + middle * ENTRY_BYTES, head.entries.view, head.at) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** The first head, from one of them on, that begins a block. */
function firstOfBlock(head: number): number {
  return blocksOf(head) * ENTRIES_PER_BLOCK;
}
