/**
 * Entries of the checkpoint (heads and keys) in memory: chunks of shared memory, so that one thread gathers them and
 * another reads them without a copy, and so that growing copies nothing either. An entry is as
 * {@link file://./format/checkpoint.ts} stores it.
 */
import { ENTRY_BYTES } from './format/checkpoint.js';

/** Entries of a chunk, as a power of two. */
export const CHUNK_BITS = 11;
export const CHUNK_ENTRIES = 2 ** CHUNK_BITS;
export const CHUNK_BYTES = CHUNK_ENTRIES * ENTRY_BYTES;

/** A row of entries. They must not be changed as long as somebody reads them; more may be added behind them. */
export interface Entries {
  readonly chunks: readonly SharedArrayBuffer[];
  /** Which entry of the first chunk is the first one. */
  readonly first: number;
  readonly count: number;
}

/** Some bytes, and a view on them. */
export interface Bytes {
  readonly bytes: Uint8Array;
  readonly view: DataView;
}

export function bytesOf(memory: Uint8Array): Bytes {
  return { bytes: memory, view: new DataView(memory.buffer, memory.byteOffset, memory.byteLength) };
}

/** Where an entry is. */
export interface EntryAt {
  readonly entries: Bytes;
  /** Its offset. Unit: bytes. */
  readonly at: number;
}

/** Entries by their number, from 0. */
export function readerOf({ chunks, first }: Entries): (index: number) => EntryAt {
  const memory = chunks.map((chunk) => bytesOf(new Uint8Array(chunk)));
  return (index) => {
    const place = first + index;
    return { entries: memory[place >>> CHUNK_BITS]!, at: (place % CHUNK_ENTRIES) * ENTRY_BYTES };
  };
}

/** Entries one after the other. */
export function* inOrder(all: Entries): Generator<EntryAt> {
  const entryAt = readerOf(all);
  for (let i = 0; i < all.count; i++) yield entryAt(i);
}
