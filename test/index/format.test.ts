/** An index file says of its records what a plain look at them says, however little of it fits into memory. */
import fc from 'fast-check';
import { expect, onTestFinished, test, vi } from 'vitest';
import { PageCache } from '../../dist/main/read/page-cache.js';
import { indexFile } from '../../dist/shared/format/file-names.js';
import { INDEXED } from '../../dist/shared/format/index-file.js';
import type { PostedField } from '../../dist/shared/portable/query/narrow.js';
import { SEED } from '../support/effort.js';
import { anyLabel, made } from './arbitraries.js';
import { checkLists } from './check-lists.js';
import { DIR, FIRST, type Made, makeIndex, openIndex } from './kit.js';

const BUDGETS = [0, 3000, 64 * 1024 * 1024];

test('what it says of values, of prefixes and of places is so', async () => {
  const asked = fc.record({
    field: fc.constantFrom<PostedField>(...INDEXED),
    other: anyLabel,
    low: fc.nat(150_000),
    high: fc.nat(150_000),
    cut: fc.nat(30),
    budget: fc.constantFrom(...BUDGETS),
  });
  await fc.assert(
    fc.asyncProperty(
      made,
      fc.array(asked, { minLength: 5, maxLength: 15 }),
      async ({ records, batches, places }, all) => {
        const file = await makeIndex(batches, places);
        for (const { field, other, low, high, cut, budget } of all) {
          const { index, files, memory } = await openIndex(file, budget);
          await checkLists(index, records, places, { field, other, low, high, cut });
          expect(memory.bytes).toBeLessThanOrEqual(budget);
          files.close();
        }
        const { index, files } = await openIndex(file, 0);
        const wanted = Uint32Array.from({ length: places }, (_, place) => place).filter(
          (place) =>
            place < 5 || place % 997 === 0 || place > places - 4 || records.some((record) => record.place === place),
        );
        const { starts, ends } = (await index.recordsAt(wanted))!;
        expect([...starts]).toEqual([...wanted].map((place) => file.offsets[place]));
        expect([...ends]).toEqual([...wanted].map((place) => file.offsets[place + 1]));
        files.close();
      },
    ),
    { seed: SEED, numRuns: 60 },
  );
}, 120_000);

test('a value among many, and a list of many, are read without the rest', async () => {
  const count = 70_000;
  const records = Array.from({ length: count }, (_, place): Made => {
    const event = {
      type: place % 5 === 0 ? 'Rare' : 'Said',
      tags: place % 40 === 0 ? ['seldom'] : [],
      metadata: { correlationId: `order-${(place * 7919) % count}` },
    };
    return { place, stream: `stream/${place % 11}`, event };
  });
  const file = await makeIndex(
    Array.from({ length: 7 }, (_, i) => records.slice(i * 10_000, (i + 1) * 10_000)),
    count,
  );
  const { disk } = file;
  const size = disk.size(disk.openRead(`${DIR}/${indexFile(file.segment.number)}`));
  expect(size / count).toBeLessThan(20);
  const { index, read, memory, files } = await openIndex(file, 256 * 1024);
  const readBy = async (ask: () => Promise<unknown>): Promise<number> => {
    const before = read();
    await ask();
    return read() - before;
  };
  for (const place of [0, 1, 35_000, 69_999]) {
    const value = `order-${(place * 7919) % count}`;
    const bytes = await readBy(async () => {
      const list = await index.ofValue('correlationId', value);
      expect([...(await list.within(FIRST, FIRST + count))]).toEqual([place]);
    });
    expect(bytes).toBeLessThan(25_000);
  }
  let passed = 0;
  for (let i = 0; i < 1000; i++) {
    if ((await readBy(async () => expect((await index.ofValue('correlationId', `none-${i}`)).count).toBe(0))) > 4104)
      passed++;
  }
  // The filter lets one in a hundred pass.
  expect(passed).toBeLessThan(40);
  const types = await index.ofValue('type', 'Said');
  expect(types.count).toBe(56_000);
  // Of the two parts, each a bitmap, one alone.
  const bytes = await readBy(async () => expect(await types.within(FIRST + 66_000, FIRST + 66_009)).toHaveLength(8));
  expect(bytes).toBeLessThanOrEqual(8200);
  expect((await types.within(FIRST, FIRST + count)).length).toBe(56_000);
  const seldom = await index.ofValue('tags', 'seldom');
  expect([...(await seldom.among(Uint32Array.of(39, 40, 69_960, 69_961)))]).toEqual([40, 69_960]);
  expect((await (await index.ofPrefix('correlationId', 'order-6999')).within(FIRST, FIRST + count)).length).toBe(11);
  let values = 0;
  for await (const _ of index.ofEach('correlationId', '')) values++;
  expect(values).toBe(count);
  expect(memory.bytes).toBeLessThanOrEqual(256 * 1024);
  files.close();
}, 60_000);

test('many values asked at once, some read at once and some not, each get their own places', async () => {
  const count = 20_000;
  const records = Array.from({ length: count }, (_, place): Made => {
    const event = { type: 'Said', metadata: { correlationId: `order-${Math.floor(place / 2)}` } };
    return { place, stream: 'a', event };
  });
  const file = await makeIndex([records], count);
  const { index, memory, read, files } = await openIndex(file, 16 * 1024 * 1024);
  let asked = 0;
  const isLikely = vi.spyOn(PageCache.prototype, 'isLikely').mockImplementation(() => asked++ % 3 !== 0);
  onTestFinished(() => isLikely.mockRestore());
  const ask = async (n: number): Promise<void> => {
    const list = await index.ofValue('correlationId', `order-${n}`);
    const places = await list.within(FIRST, FIRST + count);
    expect([...places]).toEqual([2 * n, 2 * n + 1]);
    const { starts, ends } = (await index.recordsAt(places))!;
    expect([...starts]).toEqual([...places].map((place) => file.offsets[place]));
    expect([...ends]).toEqual([...places].map((place) => file.offsets[place + 1]));
  };
  const some = Array.from({ length: 300 }, (_, i) => (i * 7919) % (count / 2));
  await Promise.all(some.map(ask));

  // What is wanted once is not held; what is wanted again and again is not read again.
  const apart = await openIndex(file, 16 * 1024 * 1024);
  const once = await apart.index.ofValue('correlationId', 'order-5000');
  expect(once.count).toBe(2);
  expect(apart.memory.bytes).toBeLessThan(4096);
  apart.files.close();
  for (let i = 0; i < 3; i++) await ask(77);
  const before = [read(), memory.bytes];
  await ask(77);
  expect([read(), memory.bytes]).toEqual(before);
  files.close();
}, 60_000);
