/** Entries of the table of heads and keys. */
import fc from 'fast-check';
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

/** Entries as a table stores them. */
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
