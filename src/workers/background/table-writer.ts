/**
 * Writes a table of heads and keys, as {@link file://../../shared/format/checkpoint.ts} draws it: the heads of an older one merged with those that
 * have changed, and keys.
 */
import { bytesOf, type Entries, type EntryAt, readerOf } from '../../shared/entries.js';
import {
  addToFilter,
  blocksOf,
  CHECKPOINT_BLOCK_BYTES,
  type CheckpointHeader,
  type CheckpointSections,
  compareHashes,
  ENTRIES_PER_BLOCK,
  ENTRY_BYTES,
  FENCE_BYTES,
  filterBytesFor,
  sealBlock,
  verifyBlock,
} from '../../shared/format/checkpoint.js';
import type { PlaceHasher } from '../../shared/format/checksum.js';
import { type FileHandle, type Storage, writeFully } from '../../shared/storage.js';
import type { Workspace } from './workspace.js';

/** Heads are dealt into so many buckets by the upper bits of their hashes before they are sorted. */
const BUCKETS = 2 ** 16;

/** What goes into a table. */
export interface TableContent {
  readonly sequence: number;
  readonly before: OldHeads;
  /** Changed heads, unsorted. */
  readonly heads: Entries;
  /** Oldest first. */
  readonly keys: Iterable<EntryAt>;
}

/** The heads of an older table, in order. */
export interface OldHeads {
  readonly count: number;
  entries(): Generator<EntryAt>;
  close(): void;
}

/** There is no older one. */
export const NO_HEADS: OldHeads = { count: 0, *entries() {}, close() {} };

/** Write everything but the header, whose place is left; returns what it says. */
export function writeTable(
  storage: Storage,
  handle: FileHandle,
  workspace: Workspace,
  { sequence, before, heads: changed, keys: live }: TableContent,
): CheckpointSections {
  const atMost = before.count + changed.count;
  const filter = workspace.filter(filterBytesFor(atMost));
  const fences = workspace.fences(blocksOf(atMost) * FENCE_BYTES);
  const blocks = new BlockWriter(storage, handle, sequence, workspace.hasher);
  let heads = 0;
  for (const { entries, at } of merge(before.entries(), sortedByHash(changed, workspace))) {
    if (heads % ENTRIES_PER_BLOCK === 0) fences.set(entries.bytes.subarray(at, at + FENCE_BYTES), fenceAt(heads));
    addToFilter(filter, Uint32Array.of(entries.view.getUint32(at, true), entries.view.getUint32(at + 4, true)));
    blocks.add(entries.bytes, at);
    heads++;
  }
  blocks.endSection();
  let keys = 0;
  for (const { entries, at } of live) {
    blocks.add(entries.bytes, at);
    keys++;
  }
  blocks.endSection();
  const sections = { fences: fences.subarray(0, blocksOf(heads) * FENCE_BYTES), filter };
  const parts = [sections.fences, filter].filter((part) => part.length > 0);
  writeFully(storage, handle, parts, blocks.offset);
  return { sequence, heads, keys, ...sections };
}

/** The heads in an open table, whose header was read. @param unusable makes the error of a block that does not verify */
export function headsIn(
  storage: Storage,
  handle: FileHandle,
  { heads: count, sequence }: CheckpointHeader,
  hasher: PlaceHasher,
  unusable: (offset: number, message: string) => Error,
): OldHeads {
  const block = Buffer.alloc(CHECKPOINT_BLOCK_BYTES);
  return {
    count,
    *entries() {
      const entries = bytesOf(block);
      for (let number = 1; number <= blocksOf(count); number++) {
        storage.read(handle, block, number * CHECKPOINT_BLOCK_BYTES);
        const inBlock = verifyBlock(block, number, sequence, hasher);
        if (inBlock === -1) throw unusable(number * CHECKPOINT_BLOCK_BYTES, 'a block does not verify');
        for (let i = 0; i < inBlock; i++) yield { entries, at: i * ENTRY_BYTES };
      }
    },
    close: () => storage.close(handle),
  };
}

/** Entries one after the other. */
export function* inOrder(all: Entries): Generator<EntryAt> {
  const entryAt = readerOf(all);
  for (let i = 0; i < all.count; i++) yield entryAt(i);
}

function fenceAt(head: number): number {
  return (head / ENTRIES_PER_BLOCK) * FENCE_BYTES;
}

/** Gathers entries into blocks, and writes each when it is full. */
export class BlockWriter {
  readonly #storage: Storage;
  readonly #handle: FileHandle;
  readonly #sequence: number;
  readonly #hasher: PlaceHasher;
  readonly #block = Buffer.alloc(CHECKPOINT_BLOCK_BYTES);
  readonly #entryBytes: number;
  readonly #perBlock: number;
  #number: number;
  #count = 0;

  /** @param sequence of the table */
  constructor(
    storage: Storage,
    handle: FileHandle,
    sequence: number,
    hasher: PlaceHasher,
    { first, entryBytes, perBlock } = { first: 1, entryBytes: ENTRY_BYTES, perBlock: ENTRIES_PER_BLOCK },
  ) {
    this.#number = first;
    this.#entryBytes = entryBytes;
    this.#perBlock = perBlock;
    this.#storage = storage;
    this.#handle = handle;
    this.#sequence = sequence;
    this.#hasher = hasher;
  }

  /** Where the next block goes. Unit: bytes. */
  get offset(): number {
    return this.#number * CHECKPOINT_BLOCK_BYTES;
  }

  add(bytes: Uint8Array, at: number): void {
    this.#block.set(bytes.subarray(at, at + this.#entryBytes), this.#count * this.#entryBytes);
    this.#count++;
    if (this.#count === this.#perBlock) this.endSection();
  }

  /** Write what is gathered: the next entry begins a new block. */
  endSection(): void {
    if (this.#count === 0) return;
    sealBlock(this.#block, this.#count, this.#number, this.#sequence, this.#hasher, this.#entryBytes);
    writeFully(this.#storage, this.#handle, [this.#block], this.offset);
    this.#number++;
    this.#count = 0;
  }
}

/** Both in order; of two entries with the same hash the changed one. */
function* merge(before: Generator<EntryAt>, changed: Generator<EntryAt>): Generator<EntryAt> {
  let old = before.next();
  let next = changed.next();
  while (old.done !== true && next.done !== true) {
    const { entries, at } = old.value;
    const order = compareHashes(entries.view, at, next.value.entries.view, next.value.at);
    if (order < 0) {
      yield old.value;
      old = before.next();
      continue;
    }
    yield next.value;
    if (order === 0) old = before.next();
    next = changed.next();
  }
  for (; old.done !== true; old = before.next()) yield old.value;
  for (; next.done !== true; next = changed.next()) yield next.value;
}

/**
 * Entries in the order of their hashes. A counting sort deals their numbers into buckets, which then are a handful each; so
 * nothing is made for an entry but its number.
 */
function* sortedByHash(heads: Entries, workspace: Workspace): Generator<EntryAt> {
  const headAt = readerOf(heads);
  const bucketOf = ({ entries, at }: EntryAt): number => entries.view.getUint16(at + 6, true);
  const ends = workspace.ends(BUCKETS + 1);
  for (let i = 0; i < heads.count; i++) ends[bucketOf(headAt(i)) + 1]!++;
  for (let bucket = 0; bucket < BUCKETS; bucket++) ends[bucket + 1]! += ends[bucket]!;
  const order = workspace.order(heads.count);
  // From here on ends[bucket] is where the next entry of the bucket goes: in the end, where the bucket ends.
  for (let i = 0; i < heads.count; i++) order[ends[bucketOf(headAt(i))]!++] = i;
  for (let bucket = 0, from = 0; bucket < BUCKETS; from = ends[bucket++]!) {
    sortByInsertion(order.subarray(from, ends[bucket]!), headAt);
  }
  for (const i of order) yield headAt(i);
}

function sortByInsertion(order: Uint32Array, headAt: (index: number) => EntryAt): void {
  for (let i = 1; i < order.length; i++) {
    const moved = order[i]!;
    const { entries, at } = headAt(moved);
    let to = i;
    for (; to > 0; to--) {
      const before = headAt(order[to - 1]!);
      if (compareHashes(before.entries.view, before.at, entries.view, at) <= 0) break;
      order[to] = order[to - 1]!;
    }
    order[to] = moved;
  }
}
