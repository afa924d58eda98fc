/** Entries of the table of heads and keys. */
import fc from 'fast-check';
import { CHUNK_BITS, CHUNK_BYTES, CHUNK_ENTRIES, type Entries, readerOf } from '../../dist/shared/entries.js';
import { ENTRY_BYTES } from '../../dist/shared/format/checkpoint.js';
import { writeSafeInteger } from '../../dist/shared/format/record.js';
import { viewOf } from './bytes.js';

const word = fc.oneof(fc.integer({ min: 0, max: 2 ** 32 - 1 }), fc.nat({ max: 3 }), fc.constant(2 ** 32 - 1));

/** Hashes of which many share words, so that they meet in a table. */
export const randomHash = fc.tuple(word, word, word, word).map((words) => Uint32Array.from(words));

export interface Entry {
  readonly hash: Uint32Array;
  readonly a: number;
  readonly b: number;
}

/** Entries as threads share them; the first one somewhere in its chunk. */
export function sharedEntries(entries: readonly Entry[], first = 0): Entries {
  const bytes = entriesOf(entries);
  const chunks: SharedArrayBuffer[] = [];
  for (let at = 0; at < bytes.length; at += ENTRY_BYTES) {
    const place = first + at / ENTRY_BYTES;
    if (place >>> CHUNK_BITS >= chunks.length) chunks.push(new SharedArrayBuffer(CHUNK_BYTES));
    const chunk = new Uint8Array(chunks.at(-1)!);
    chunk.set(bytes.subarray(at, at + ENTRY_BYTES), (place % CHUNK_ENTRIES) * ENTRY_BYTES);
  }
  return { chunks, first, count: entries.length };
}

/** The bytes of entries that threads share. */
export function bytesOfEntries(entries: Entries): Uint8Array {
  const entryAt = readerOf(entries);
  const parts = Array.from({ length: entries.count }, (_, i) => {
    const { entries: chunk, at } = entryAt(i);
    return Buffer.from(chunk.bytes.slice(at, at + ENTRY_BYTES));
  });
  return new Uint8Array(Buffer.concat(parts));
}

/** Entries as the checkpoint stores them. */
export function entriesOf(entries: readonly Entry[]): Uint8Array {
  const bytes = Buffer.alloc(entries.length * ENTRY_BYTES);
  const view = viewOf(bytes);
  entries.forEach(({ hash, a, b }, i) => {
    for (let word = 0; word < 4; word++) view.setUint32(i * ENTRY_BYTES + word * 4, hash[word]!, true);
    writeSafeInteger(view, i * ENTRY_BYTES + 16, a);
    writeSafeInteger(view, i * ENTRY_BYTES + 24, b);
  });
  return new Uint8Array(bytes);
}
