/** What is looked for in a block of a dictionary is what is found by reading all of it. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { keyOf } from '../../dist/shared/format/index-keys.js';
import {
  type BlockEntry,
  TreeBlockReader,
  TreeBlockWriter,
  type ValueEntry,
} from '../../dist/shared/format/index-tree.js';
import { SEED } from '../support/effort.js';
import { label } from '../support/records.js';

const NODE = 'node-1';
const LIMIT = 1000;

/** Values that begin alike, and ids, which are written in another way. */
const key = fc
  .oneof(
    label,
    fc.string({ unit: fc.constantFrom('a', 'b', 'ü', '0'), maxLength: 6 }),
    fc.nat(99).map((i) => `17000000000000000${String(i).padStart(2, '0')}_${i + 1}_${NODE}`),
    fc.nat(99).map((i) => `17000000000000000${i}`),
  )
  .map(keyOf);
const keys = fc.uniqueArray(key, { minLength: 1, maxLength: 60 }).map((all) => all.sort((a, b) => (a < b ? -1 : 1)));

/** The entries of a reader, to its end. */
function rest<T>(reader: TreeBlockReader, read: () => T): T[] {
  const entries: T[] = [];
  while (!reader.isAtEnd) entries.push(read());
  return entries;
}

function valueAt(key: string, i: number): ValueEntry {
  if (i % 3 === 0)
    return { key, count: 1, first: (i * 7) % LIMIT, last: (i * 7) % LIMIT, places: { gaps: Buffer.alloc(0) } };
  if (i % 3 === 1) return { key, count: 3, first: i, last: i + 20, places: { gaps: Buffer.of(3, 15) } };
  const parts = [{ part: 0, count: 200, offset: 70_000 + i, length: 300, isBitmap: false }];
  return { key, count: 200, first: i, last: 900, places: { parts } };
}

test('the first value that is not below a key, and those behind it', () => {
  fc.assert(
    fc.property(keys, key, (all, wanted) => {
      const writer = new TreeBlockWriter(0, NODE);
      for (const [i, key] of all.entries()) writer.addValue(valueAt(key, i));
      const bytes = writer.take();
      const read = new TreeBlockReader(bytes, NODE, LIMIT);
      const values = rest(read, () => read.value());
      expect(values).toEqual(all.map(valueAt));
      for (const sought of [wanted, ...all]) {
        const reader = new TreeBlockReader(bytes, NODE, LIMIT);
        const found = reader.seekValue(sought);
        const left = values.filter((value) => value.key >= sought);
        expect(found === undefined ? [] : [found, ...rest(reader, () => reader.value())]).toEqual(left);
      }
    }),
    { seed: SEED },
  );
});

test('the block that may hold a key, and those behind it', () => {
  fc.assert(
    fc.property(keys, key, (all, wanted) => {
      const writer = new TreeBlockWriter(1, NODE);
      const blocks = all.map((key, i): BlockEntry => ({ key, offset: 5000 * i, length: 4000 + i }));
      for (const block of blocks) writer.addBlock(block);
      const bytes = writer.take();
      for (const sought of [wanted, ...all]) {
        const reader = new TreeBlockReader(bytes, NODE, LIMIT);
        const place = Math.max(
          0,
          blocks.findLastIndex((block) => block.key <= sought),
        );
        expect(reader.seekBlock(sought)).toMatchObject({
          offset: blocks[place]!.offset,
          length: blocks[place]!.length,
        });
        expect(rest(reader, () => reader.block())).toEqual(blocks.slice(place + 1));
      }
    }),
    { seed: SEED },
  );
});
