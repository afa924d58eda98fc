/**
 * Writes a checkpoint: the heads of the one in force merged with those that have changed, and all keys, into a file
 * beside it. It comes into force by a rename, when the caller says that everything in it is durable.
 */
import path from 'node:path';
import { corrupt } from '../../shared/damage.js';
import { bytesOf, type Entries, type EntryAt, readerOf } from '../../shared/entries.js';
import {
  addToFilter,
  blocksOf,
  CHECKPOINT_BLOCK_BYTES,
  checkpointBytes,
  compareHashes,
  decodeCheckpointHeader,
  ENTRIES_PER_BLOCK,
  ENTRY_BYTES,
  encodeCheckpointHeader,
  FENCE_BYTES,
  filterBytesFor,
  sealBlock,
  verifyBlock,
} from '../../shared/format/checkpoint.js';
import type { PlaceHasher } from '../../shared/format/checksum.js';
import { HEADS_FILE, TEMPORARY } from '../../shared/format/file-names.js';
import type { CheckpointSnapshot } from '../../shared/messages.js';
import { type FileHandle, type Storage, writeFully } from '../../shared/storage.js';
import type { Workspace } from './workspace.js';

/** Heads are dealt into so many buckets by the upper bits of their hashes before they are sorted. */
const BUCKETS = 2 ** 16;

/** Write the file of a snapshot and make its content durable. It is not in force yet. */
export function writeCheckpoint(
  storage: Storage,
  dir: string,
  workspace: Workspace,
  snapshot: CheckpointSnapshot,
): void {
  const { hasher } = workspace;
  const before = openOldHeads(storage, path.join(dir, HEADS_FILE), snapshot.base, hasher);
  const handle = storage.openWrite(path.join(dir, HEADS_FILE + TEMPORARY), 'create');
  try {
    const atMost = before.count + snapshot.heads.count;
    const filter = workspace.filter(filterBytesFor(atMost));
    const fences = workspace.fences(blocksOf(atMost) * FENCE_BYTES);
    const blocks = new BlockWriter(storage, handle, snapshot.sequence, hasher);
    let heads = 0;
    for (const { entries, at } of merge(before.entries(), sortedByHash(snapshot.heads, workspace))) {
      if (heads % ENTRIES_PER_BLOCK === 0) fences.set(entries.bytes.subarray(at, at + FENCE_BYTES), fenceAt(heads));
      addToFilter(filter, Uint32Array.of(entries.view.getUint32(at, true), entries.view.getUint32(at + 4, true)));
      blocks.add(entries.bytes, at);
      heads++;
    }
    blocks.endSection();
    const keys = snapshot.keys.count;
    const keyAt = readerOf(snapshot.keys);
    for (let i = 0; i < keys; i++) {
      const { entries, at } = keyAt(i);
      blocks.add(entries.bytes, at);
    }
    blocks.endSection();
    const sections = { fences: fences.subarray(0, blocksOf(heads) * FENCE_BYTES), filter };
    const parts = [sections.fences, filter].filter((part) => part.length > 0);
    writeFully(storage, handle, parts, blocks.offset);
    const header = { sequence: snapshot.sequence, heads, keys, ...sections };
    writeFully(storage, handle, [encodeCheckpointHeader(header, snapshot.storeId, hasher)], 0);
    storage.sync(handle);
  } finally {
    storage.close(handle);
    before.close();
  }
}

/** Put the checkpoint that was written last in force. */
export function commitCheckpoint(storage: Storage, dir: string): void {
  storage.rename(path.join(dir, HEADS_FILE + TEMPORARY), path.join(dir, HEADS_FILE));
  storage.syncDir(dir);
}

function fenceAt(head: number): number {
  return (head / ENTRIES_PER_BLOCK) * FENCE_BYTES;
}

/** Gathers entries into blocks, and writes each when it is full. */
class BlockWriter {
  readonly #storage: Storage;
  readonly #handle: FileHandle;
  readonly #sequence: number;
  readonly #hasher: PlaceHasher;
  readonly #block = Buffer.alloc(CHECKPOINT_BLOCK_BYTES);
  #number = 1;
  #count = 0;

  /** @param sequence of the checkpoint */
  constructor(storage: Storage, handle: FileHandle, sequence: number, hasher: PlaceHasher) {
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
    this.#block.set(bytes.subarray(at, at + ENTRY_BYTES), this.#count * ENTRY_BYTES);
    this.#count++;
    if (this.#count === ENTRIES_PER_BLOCK) this.endSection();
  }

  /** Write what is gathered: the next entry begins a new block. */
  endSection(): void {
    if (this.#count === 0) return;
    sealBlock(this.#block, this.#count, this.#number, this.#sequence, this.#hasher);
    writeFully(this.#storage, this.#handle, [this.#block], this.offset);
    this.#number++;
    this.#count = 0;
  }
}

interface OldHeads {
  readonly count: number;
  entries(): Generator<EntryAt>;
  close(): void;
}

/**
 * The heads of the checkpoint in force, in order; none where there is none (base 0).
 * @throws ERR_CORRUPT where that checkpoint is not there or does not verify: its heads are then known from the log alone,
 *   and the file is removed, so that the next opening makes it anew
 */
function openOldHeads(storage: Storage, file: string, base: number, hasher: PlaceHasher): OldHeads {
  if (base === 0) return { count: 0, *entries() {}, close() {} };
  const unusable = (offset: number, message: string): Error => {
    if (storage.exists(file)) storage.remove(file);
    return corrupt(file, offset, message);
  };
  if (!storage.exists(file)) throw unusable(0, 'the checkpoint in force is missing');
  const handle = storage.openRead(file);
  const block = Buffer.alloc(CHECKPOINT_BLOCK_BYTES);
  storage.read(handle, block, 0);
  const header = decodeCheckpointHeader(block, hasher);
  if (header?.sequence !== base || checkpointBytes(header) > storage.size(handle)) {
    storage.close(handle);
    throw unusable(0, 'this is not the checkpoint in force');
  }
  const count = header.heads;
  return {
    count,
    *entries() {
      const entries = bytesOf(block);
      for (let number = 1; number <= blocksOf(count); number++) {
        storage.read(handle, block, number * CHECKPOINT_BLOCK_BYTES);
        const inBlock = verifyBlock(block, number, base, hasher);
        if (inBlock === -1) throw unusable(number * CHECKPOINT_BLOCK_BYTES, 'a block does not verify');
        for (let i = 0; i < inBlock; i++) yield { entries, at: i * ENTRY_BYTES };
      }
    },
    close: () => storage.close(handle),
  };
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
