/** An index file says of its records what a plain look at them says, however little of it fits into memory. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { indexFile } from '../../dist/shared/format/file-names.js';
import { INDEXED } from '../../dist/shared/format/index-file.js';
import type { PostedField } from '../../dist/shared/portable/query/narrow.js';
import { SEED } from '../support/effort.js';
import { label, name } from '../support/records.js';
import { DIR, FIRST, listsOf, type Made, makeIndex, NODE, openIndex, timestampOf } from './kit.js';

const anyLabel = fc.oneof(label, fc.constantFrom('a', 'ab', 'abc', 'b', '\u{1f600}', '\u{1f600}x', '\uffff', 'ü'));
const cause = fc.oneof(
  { weight: 3, arbitrary: fc.nat(500).map((place) => `${timestampOf(place)}_${FIRST + place}_${NODE}`) },
  fc.constantFrom(`1700000000000000000_07_${NODE}`, `1700000000000000000_9007199254740991_${NODE}`, `_${NODE}`),
  fc.constantFrom('1700000000000000000_7_other', '0000000000000000001_1_node-1', 'c', '17000000000000000007_1_node-1'),
  fc.nat(2),
);
const event = fc.record({
  type: fc.oneof(fc.constantFrom('Said', 'Done'), name),
  tags: fc.array(anyLabel, { maxLength: 3 }),
  causes: fc.array(cause, { maxLength: 3 }),
  metadata: fc.record(
    { agent: fc.constantFrom('ada', 'bob'), session: anyLabel, correlationId: anyLabel },
    { requiredKeys: [] },
  ),
});
const made = fc
  .record({
    places: fc.uniqueArray(fc.oneof(fc.nat(300), fc.nat(140_000)), { minLength: 1, maxLength: 120 }),
    events: fc.array(fc.tuple(fc.oneof(fc.constantFrom('s', 's/1'), name), event), { minLength: 1, maxLength: 30 }),
    runs: fc.integer({ min: 1, max: 5 }),
    behind: fc.nat(3),
  })
  .map(({ places, events, runs, behind }) => {
    const records = places
      .sort((one, other) => one - other)
      .map((place, i): Made => {
        const [stream, event] = events[i % events.length]!;
        return { place, stream, event };
      });
    const size = Math.ceil(records.length / runs);
    const batches = Array.from({ length: Math.ceil(records.length / size) }, (_, i) =>
      records.slice(i * size, (i + 1) * size),
    );
    return { records, batches, places: records.at(-1)!.place + 1 + behind };
  });

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
          const lists = listsOf(records, field);
          const within = (list: readonly number[]): number[] => list.filter((place) => place >= low && place <= high);
          for (const value of [...lists.keys(), other]) {
            const list = await index.ofValue(field, value);
            const wanted = lists.get(value) ?? [];
            expect(list.count).toBe(wanted.length);
            expect([...(await list.within(FIRST + low, FIRST + high))]).toEqual(within(wanted));
            const some = records.map(({ place }) => place).filter((place) => place % 3 !== 0);
            expect([...(await list.among(Uint32Array.from(some)))]).toEqual(wanted.filter((place) => place % 3 !== 0));
          }
          // Cut between the halves of a character as well.
          const prefix = [...lists.keys(), other][cut % (lists.size + 1)]!.slice(0, cut % 4);
          const named = [...lists].filter(([value]) => value.startsWith(prefix));
          const joined = [...new Set(named.flatMap(([, list]) => list))].sort((one, next) => one - next);
          const ofPrefix = await index.ofPrefix(field, prefix);
          expect([...(await ofPrefix.within(FIRST + low, FIRST + high))]).toEqual(within(joined));
          expect([...(await ofPrefix.among(Uint32Array.from(joined)))]).toEqual(joined);
          const each: [string, number[]][] = [];
          for await (const list of index.ofEach(field, prefix)) {
            const own = [...(await list.within(FIRST, FIRST + places))];
            expect([list.count, list.first, list.last]).toEqual([own.length, own[0], own.at(-1)]);
            each.push([list.value, own]);
          }
          expect(new Map(each)).toEqual(new Map(named));
          expect(each).toHaveLength(named.length);
          expect(memory.bytes).toBeLessThanOrEqual(budget);
          files.close();
        }
        const { index, files } = await openIndex(file, 0);
        const wanted = Uint32Array.from({ length: places }, (_, place) => place).filter(
          (place) =>
            place < 5 || place % 997 === 0 || place > places - 4 || records.some((record) => record.place === place),
        );
        const { starts, ends } = await index.recordsAt(wanted);
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
