/** Ranges of sequences, times and ids are known before anything is read: they choose records, and leave nothing to be asked. */
import fc from 'fast-check';
import type { Explanation, GroupField, Query, RecordedEvent, Store, Where } from 'keeperlog';
import { openStore } from 'keeperlog';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { effort, SEED, TIMEOUT_MS } from '../support/effort.js';
import { makeDir, removeDir } from '../support/stores.js';
import { isFound, lookUp, type Plain } from './oracle.js';

const EVENTS = 12_000;
const TYPES = ['Added', 'Changed', 'Removed', 'Äh'];
/** Looked at rather than looked for in an index: where the ranges of a query end. */
const FEW = 2048;
/** The newest segment, which is not sealed: it may be too short for an index, or have events that were deleted. */
const NEWEST = 3000;

/** In several segments; what has been deleted is compacted away where that is said. */
async function fill(store: Store): Promise<void> {
  for (let i = 0; i < EVENTS; i++) {
    void store.append(i % 400 === 5 ? 'gone' : `s${i % 7}`, {
      type: TYPES[((i * i) % 11) % 4]!,
      data: { n: i, pad: 'x'.repeat(200) },
      tags: i % 3 === 0 ? ['t1'] : [`t${i % 5}`, 'all'],
      metadata: { ...(i % 4 > 0 && { agent: `agent ${i % 5}` }), ...(i % 2 > 0 && { session: 'one' }) },
    });
    if (i % 500 === 0) await store.flush();
  }
  await store.flush();
}

interface Way {
  readonly name: string;
  readonly isSealed: boolean;
  readonly isDeleted?: boolean;
  readonly isCompacted?: boolean;
}

const WAYS: readonly Way[] = [
  { name: 'of raw segments', isSealed: false },
  { name: 'of sealed segments', isSealed: true },
  { name: 'with a deleted stream', isSealed: true, isDeleted: true },
  { name: 'that is compacted', isSealed: true, isDeleted: true, isCompacted: true },
];

describe.each(WAYS)('in a store $name', ({ isSealed, isDeleted = false, isCompacted = false }) => {
  const dir = makeDir();
  /** What was deleted, and is still there, is known by a look at the records of its segment. */
  const isCounted = !isDeleted || isCompacted;
  let store: Store;
  let events: RecordedEvent[];

  beforeAll(async () => {
    const options = { dir, segmentBytes: 1024 * 1024, nodeId: 'n', sealing: 'on-demand' } as const;
    store = await openStore(options);
    await fill(store);
    if (isSealed) await store.seal();
    if (isDeleted) await store.deleteStream('gone');
    if (isCompacted) expect((await store.compact()).events).toBeGreaterThan(0);
    await store.close();
    store = await openStore({ ...options, cacheBytes: 0 });
    events = await store.read().toArray();
    expect(store.stats().segments).toBeGreaterThan(3);
  });

  afterAll(async () => {
    await store.close();
    removeDir(dir);
  });

  const expected = (where: Where): RecordedEvent[] => events.filter((event) => isFound(where, event as Plain));

  async function explained(query: Query): Promise<[rows: unknown[], told: Explanation]> {
    const rows = store.query(query);
    return [await rows.toArray(), await rows.explain()];
  }

  /** An event for a part of the log. */
  const at = (part: number): RecordedEvent => events[Math.floor(part * (events.length - 1))]!;

  /** Ranges in every way to write them, each from one event to another, with and without them. */
  const ranges: readonly ((low: RecordedEvent, high: RecordedEvent) => Where)[] = [
    (_, { sequence }) => ({ sequence: { lte: sequence } }),
    ({ sequence: gt }, { sequence: lt }) => ({ sequence: { gt, lt } }),
    ({ sequence }) => ({ sequence: { gte: BigInt(sequence) - 1n } }),
    ({ sequence }) => ({ sequence: { gt: sequence - 0.5, ne: sequence + 3 } }),
    ({ time }) => ({ time: { gte: time } }),
    ({ time: gt }, { time: lte }) => ({ time: { gt, lte: lte.toISOString() } }),
    ({ timestampNs: gte }, { timestampNs: lt }) => ({ timestampNs: { gte, lt } }),
    ({ id: gte }, { id: lte }) => ({ id: { gte, lte } }),
    ({ id: gt }, { id: lt }) => ({ id: { gt, lt } }),
    ({ id }) => ({ not: { id: { lt: id } } }),
    ({ id }) => ({ id: { prefix: id.slice(0, 17) } }),
    ({ sequence: lt }, { sequence: gt }) => ({ or: [{ sequence: { lt } }, { sequence: { gt } }] }),
    ({ time: lt }, { sequence: gt }) => ({ or: [{ time: { lt } }, { sequence: { gt } }] }),
  ];

  test('counts of ranges come from postings, by group and alone, but for the ends of the ranges', async () => {
    const also: readonly Where[] = [
      {},
      { tags: { eq: 't1' } },
      { type: { in: ['Added', 'Äh'] }, tags: { prefix: 't' } },
    ];
    for (const range of ranges) {
      for (const rest of also) {
        const where: Where = { ...range(at(0.23), at(0.88)), ...rest };
        const found = expected(where);
        for (const groupBy of [undefined, 'type', 'agent'] as const) {
          const [rows, told] = await explained({
            where,
            aggregate: { count: true },
            ...(groupBy !== undefined && { groupBy }),
          });
          const groups = new Map<unknown, number>(groupBy === undefined ? [[undefined, 0]] : []);
          for (const event of found) {
            const value = groupBy && (lookUp(groupBy, event as Plain) ?? null);
            groups.set(value, (groups.get(value) ?? 0) + 1);
          }
          const wanted = [...groups].map(([value, count]) => ({ group: groupBy ? { [groupBy]: value } : {}, count }));
          expect(rows).toEqual(wanted);
          expect(told.recordsMatched).toBe(found.length);
          if (isCounted) expect(told.recordsExamined).toBeLessThanOrEqual(2 * FEW);
        }
      }
    }
  });

  test('lists of sequences and ids choose those records and no others', async () => {
    const [low, high] = [at(0.02), at(0.97)];
    const wheres: Where[] = [
      { sequence: { in: [low.sequence, high.sequence, 1e15, 2.5] } },
      { or: [{ sequence: { eq: low.sequence } }, { sequence: { eq: high.sequence } }] },
      { id: { in: [low.id, high.id, 'none'] } },
      { or: [{ id: { eq: low.id } }, { id: { eq: high.id } }] },
      { sequence: { in: [low.sequence, high.sequence] }, 'data.n': { exists: true } },
    ];
    for (const where of wheres) {
      for (const direction of ['forwards', 'backwards'] as const) {
        const [rows, told] = await explained({ where, direction });
        const wanted = direction === 'forwards' ? [low, high] : [high, low];
        expect((rows as RecordedEvent[]).map(({ id }) => id)).toEqual(wanted.map(({ id }) => id));
        expect(told).toMatchObject({ recordsExamined: 2, segmentsPruned: told.segmentsConsidered - 2 });
      }
    }
    const other = low.id.replace('_n', '_m');
    expect((await explained({ where: { id: { in: [other, high.id] } } }))[0]).toHaveLength(1);
  });

  test('a segment outside of a range of ids is not looked at, nor what an exclusive bound names', async () => {
    const [low, high] = [at(0.5), at(0.51)];
    const [rows, told] = await explained({ where: { id: { gte: low.id, lte: high.id }, 'data.n': { gte: 0 } } });
    expect(rows).toHaveLength(expected({ id: { gte: low.id, lte: high.id } }).length);
    expect(told.segmentsPruned).toBeGreaterThanOrEqual(told.segmentsConsidered - 2);
    expect(told.recordsExamined).toBe(rows.length);
    const { sequence } = at(0.5);
    const between: Where = { sequence: { gt: sequence, lt: sequence + 2 } };
    expect((await explained({ where: between }))[1].recordsExamined).toBe(expected(between).length);
    expect((await explained({ where: { sequence: { gt: sequence, lt: sequence + 1 } } }))[1].recordsExamined).toBe(0);
  });

  test('extremes of what ascends take a record each, those of posted texts none', async () => {
    const last = events.at(-1)!;
    const [newest, told] = await explained({ aggregate: { max: ['time', 'id'], min: 'timestampNs' } });
    expect(newest).toEqual([
      { group: {}, max: { time: last.time, id: last.id }, min: { timestampNs: events[0]!.timestampNs } },
    ]);
    if (isCounted) expect(told.recordsExamined).toBeLessThanOrEqual(NEWEST + 3);
    const [byType, toldByType] = await explained({ aggregate: { min: 'time', max: 'time' }, groupBy: 'type' });
    const types = [...new Set(events.map(({ type }) => type))];
    expect(byType).toEqual(
      types.map((type) => {
        const own = events.filter((event) => event.type === type);
        return { group: { type }, min: { time: own[0]!.time }, max: { time: own.at(-1)!.time } };
      }),
    );
    if (isCounted) expect(toldByType.recordsExamined).toBeLessThanOrEqual(NEWEST + 2 * types.length);
    for (const where of [
      {},
      { sequence: { gt: at(0.3).sequence } },
      { tags: { eq: 't1' } },
      { tags: { eq: 'none' } },
    ]) {
      const found = expected(where);
      for (const field of ['type', 'stream', 'agent', 'session', 'correlationId'] as const) {
        const values = found.map((event) => lookUp(field, event as Plain) as string | undefined);
        const sorted = values.filter((value) => value !== undefined).sort();
        const [rows, told] = await explained({ where, aggregate: { count: true, min: field, max: field } });
        const [min, max] = [{ [field]: sorted[0] ?? null }, { [field]: sorted.at(-1) ?? null }];
        expect(rows).toEqual([{ group: {}, count: found.length, min, max }]);
        if (isCounted) expect(told.recordsExamined).toBeLessThanOrEqual(NEWEST + FEW);
      }
    }
  });

  test('groups by two posted fields, and extremes of a third, look at no record that is indexed', async () => {
    const aggregate = { count: true, max: 'session', min: 'sequence' } as const;
    const [rows, told] = await explained({ aggregate, groupBy: ['stream', 'type'] });
    const groups = new Map<string, RecordedEvent[]>();
    for (const event of events) {
      const key = JSON.stringify([event.stream, event.type]);
      groups.set(key, [...(groups.get(key) ?? []), event]);
    }
    expect(rows).toEqual(
      [...groups].map(([key, own]) => {
        const [stream, type] = JSON.parse(key) as [string, string];
        const session = own.some(({ metadata }) => metadata.session !== undefined) ? 'one' : null;
        const extremes = { min: { sequence: own[0]!.sequence }, max: { session } };
        return { group: { stream, type }, count: own.length, ...extremes };
      }),
    );
    expect(told.recordsMatched).toBe(events.length);
    if (isCounted) expect(told.recordsExamined).toBeLessThanOrEqual(NEWEST);
  });

  const part = fc.double({ min: 0, max: 1, noNaN: true });
  const range: fc.Arbitrary<Where> = fc
    .tuple(fc.constantFrom(...ranges), part, part)
    .map(([range, one, other]) => range(at(Math.min(one, other)), at(Math.max(one, other))));
  const posted = fc.constantFrom<Where>(
    { tags: { eq: 't1' } },
    { type: { in: ['Added', 'Äh'] } },
    { agent: { prefix: 'agent' } },
    { stream: { eq: 's3' } },
    { 'data.n': { gte: 5000 } },
    {},
  );
  const where = fc.letrec<{ where: Where }>((tie) => ({
    where: fc.oneof(
      { depthSize: 'small' },
      { weight: 3, arbitrary: range },
      { weight: 1, arbitrary: posted },
      { weight: 2, arbitrary: fc.array(tie('where'), { minLength: 1, maxLength: 3 }).map((and) => ({ and })) },
      { weight: 2, arbitrary: fc.array(tie('where'), { minLength: 1, maxLength: 3 }).map((or) => ({ or })) },
      { weight: 1, arbitrary: tie('where').map((not) => ({ not })) },
    ),
  })).where;

  test(
    'whatever is asked of ranges and postings, rows and groups are those of a plain filter',
    async () => {
      const groupings = fc.subarray<GroupField>(['type', 'agent', 'stream'], { maxLength: 2 });
      const limit = fc.oneof(fc.constant(1e9), fc.nat({ max: 3000 }));
      let counted = 0;
      await fc.assert(
        fc.asyncProperty(where, groupings, limit, fc.boolean(), async (where, groupBy, limit, backwards) => {
          const found = expected(where);
          const rows = await store.query({ where, limit, direction: backwards ? 'backwards' : 'forwards' }).toArray();
          const wanted = found.map(({ sequence }) => sequence);
          if (backwards) wanted.reverse();
          expect(rows.map(({ sequence }) => sequence)).toEqual(wanted.slice(0, limit));
          const [groups, told] = await explained({
            where,
            aggregate: { count: true, min: ['time', 'sequence'], max: ['id', 'timestampNs'] },
            ...(groupBy.length > 0 && { groupBy }),
          });
          if (told.recordsExamined < told.recordsMatched / 2) counted++;
          expect(groups).toEqual(grouped(found, groupBy));
        }),
        { seed: SEED, numRuns: effort(40, 1000) },
      );
      if (isCounted) expect(counted).toBeGreaterThan(0);
    },
    TIMEOUT_MS,
  );

  /** Groups as they are counted by hand. */
  function grouped(found: readonly RecordedEvent[], groupBy: readonly GroupField[]): object[] {
    const groups = new Map<string, RecordedEvent[]>(groupBy.length === 0 ? [['[]', []]] : []);
    for (const event of found) {
      const key = JSON.stringify(groupBy.map((name) => lookUp(name, event as Plain) ?? null));
      const group = groups.get(key);
      if (group === undefined) groups.set(key, [event]);
      else group.push(event);
    }
    return [...groups].map(([key, own]) => {
      const values = JSON.parse(key) as unknown[];
      const [first, last] = [own[0], own.at(-1)];
      return {
        group: Object.fromEntries(groupBy.map((name, i) => [name, values[i]])),
        count: own.length,
        min: { time: first?.time ?? null, sequence: first?.sequence ?? null },
        max: { id: last?.id ?? null, timestampNs: last?.timestampNs ?? null },
      };
    });
  }
});
