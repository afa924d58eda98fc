/** Queries of a store: what they find does not depend on indexes, caches, pages, or on when it was opened. */
import fs from 'node:fs';
import path from 'node:path';
import fc from 'fast-check';
import type { Query, RecordedEvent, Store, Where } from 'keeperlog';
import { openStore } from 'keeperlog';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parseWhere } from '../../dist/shared/portable/query/parse-where.js';
import { toCel } from '../../dist/shared/portable/query/to-cel.js';
import { makeDir, removeDir } from '../support/stores.js';
import { newEvent, STREAMS, TYPES, where } from './arbitraries.js';
import { isFound, lookUp, type Plain } from './oracle.js';

/** In two segments, each with more than a range that is read through rather than indexed. */
const EVENTS = 9000;
const LIMITS = { segmentBytes: 1024 * 1024, nodeId: 'n' };

const samples = fc.sample(newEvent, { seed: 11, numRuns: 500 });

async function fill(store: Store): Promise<void> {
  for (let i = 0; i < EVENTS; i++) {
    const { stream, event } = samples[i % samples.length]!;
    const rare = i % 1000 === 7 ? { tags: ['rare'], data: { n: i, pad: 'x'.repeat(100) } } : {};
    void store.append(i % 500 === 3 ? 'seldom' : stream, {
      ...event,
      ...rare,
      ...(i % 3 === 0 && { idempotencyKey: `key ${i}` }),
    });
    if (i % 1000 === 0) await store.flush();
  }
  await store.flush();
}

const direction = fc.constantFrom('forwards' as const, 'backwards' as const);
const limit = fc.oneof(fc.nat({ max: 10 }), fc.nat({ max: 3000 }));

/** Predicates that name a part of the log, and those that look at all of it. */
const located: fc.Arbitrary<Where> = fc.oneof(
  { weight: 3, arbitrary: where },
  fc.tuple(fc.nat(EVENTS), fc.nat(EVENTS), where).map(([gte, lte, where]) => ({ sequence: { gte, lte }, ...where })),
  fc.tuple(fc.constantFrom('rare', 'none'), where).map(([tag, where]) => ({ and: [{ tags: { eq: tag } }, where] })),
  fc.constantFrom<Where>(
    { stream: { prefix: 'task/' } },
    { type: { prefix: 'A' } },
    { tags: { prefix: 'p' }, type: { prefix: 'R' } },
    { or: [{ agent: { prefix: 'a' } }, { session: { eq: 'bob' } }] },
  ),
  fc.tuple(fc.constantFrom(...STREAMS, 'seldom'), fc.constantFrom(...TYPES)).map(([stream, type]) => ({
    stream: { eq: stream },
    type: { in: [type, 'Added'] },
  })),
);

const sequences = (events: readonly RecordedEvent[]): number[] => events.map(({ sequence }) => sequence);

interface Way {
  readonly name: string;
  readonly options: object;
  readonly reopened: boolean;
  /** Full segments are sealed; then some of their files are taken away. */
  readonly sealed?: RegExp;
}

const WAYS: readonly Way[] = [
  { name: 'with everything in memory', options: {}, reopened: false },
  { name: 'without index and cache', options: { indexBytes: 0, cacheBytes: 0 }, reopened: false },
  { name: 'opened again, with an index and no cache', options: { cacheBytes: 0 }, reopened: true },
  { name: 'opened to be read only', options: { readOnly: true }, reopened: true },
  { name: 'sealed and indexed', options: { cacheBytes: 0 }, reopened: true, sealed: /$^/ },
  {
    name: 'sealed, read only, one index missing, and little memory',
    options: { readOnly: true, indexBytes: 20_000 },
    reopened: true,
    sealed: /1\.index$/,
  },
];

describe.each(WAYS)('a store $name', ({ options: way, reopened, sealed }) => {
  const dir = makeDir();
  let store: Store;
  let events: Plain[];

  beforeAll(async () => {
    store = await openStore({ dir, ...LIMITS, ...(reopened ? {} : way) });
    await fill(store);
    if (sealed !== undefined) {
      // Some, or all of them, may have been sealed in the background before.
      await store.seal();
      expect((await store.watermarks()).sealed).toBeGreaterThan(0);
    }
    if (reopened) {
      await store.close();
      for (const name of fs.readdirSync(dir)) if (sealed?.test(name)) fs.rmSync(path.join(dir, name));
      store = await openStore({ dir, ...LIMITS, ...way });
    }
    events = (await store.read().toArray()).map(
      ({
        id,
        sequence,
        timestampNs,
        time,
        stream,
        revision,
        type,
        data,
        metadata,
        tags,
        causes,
        schemaVersion,
        idempotencyKey,
      }) => ({
        ...{
          id,
          sequence,
          timestampNs,
          time,
          stream,
          revision,
          type,
          data,
          metadata,
          tags,
          causes,
          schemaVersion,
          idempotencyKey,
        },
      }),
    );
    expect(events).toHaveLength(EVENTS);
    expect(store.stats().segments).toBeGreaterThan(1);
  });

  afterAll(async () => {
    await store.close();
    removeDir(dir);
  });

  const expected = (where: Where, backwards: boolean): number[] => {
    const found = events.filter((event) => isFound(where, event)).map(({ sequence }) => sequence);
    return backwards ? found.reverse() : found;
  };

  test('finds what a plain filter finds, in both forms and directions, and says truly what it took', async () => {
    await fc.assert(
      fc.asyncProperty(located, direction, limit, fc.boolean(), async (where, direction, limit, asText) => {
        const text = toCel(parseWhere(where));
        const rows = asText ? store.query(text, { direction, limit }) : store.query({ where, direction, limit });
        const found = await rows.toArray();
        const all = expected(where, direction === 'backwards');
        expect(sequences(found)).toEqual(all.slice(0, limit));
        const explained = await rows.explain();
        expect(explained.where).toBe(text);
        expect(explained.recordsMatched).toBeGreaterThanOrEqual(found.length);
        expect(explained.recordsExamined).toBeGreaterThanOrEqual(found.length);
        expect(explained.recordsDecoded).toBeLessThanOrEqual(explained.recordsExamined);
        expect(explained.segmentsPruned).toBeLessThanOrEqual(explained.segmentsConsidered);
        if (limit > 0) expect(explained.segmentsConsidered).toBe(store.stats().segments);
      }),
      { numRuns: 40 },
    );
  });

  test('gives pages that follow each other', async () => {
    const size = fc.integer({ min: 1, max: 700 });
    await fc.assert(
      fc.asyncProperty(located, direction, size, async (where, direction, limit) => {
        const all = expected(where, direction === 'backwards').slice(0, 5 * limit);
        const found: number[] = [];
        let cursor: string | undefined;
        do {
          const page = await store.query({ where, direction, limit, cursor }).page();
          expect(page.items.length).toBeLessThanOrEqual(limit);
          found.push(...sequences(page.items));
          cursor = page.cursor;
        } while (cursor !== undefined && found.length < 5 * limit);
        expect(found).toEqual(all);
      }),
      { numRuns: 10 },
    );
  });

  test('finds events by their times and ids', async () => {
    const place = fc.nat({ max: EVENTS - 1 });
    const bounded = fc.tuple(place, place, fc.constantFrom('time', 'timestampNs', 'id')).map(([i, j, field]): Where => {
      const [one, other] = [events[Math.min(i, j)]!, events[Math.max(i, j)]!];
      if (field === 'id') return { or: [{ id: { eq: one.id } }, { id: { in: [other.id, 'none'] } }] };
      if (field === 'time') return { time: { gte: one.time, lte: other.time } };
      return { timestampNs: { gt: one.timestampNs, lt: other.timestampNs } };
    });
    await fc.assert(
      fc.asyncProperty(bounded, direction, async (where, direction) => {
        const rows = store.query({ where, direction });
        expect(sequences(await rows.toArray())).toEqual(expected(where, direction === 'backwards'));
        const { recordsExamined, recordsMatched } = await rows.explain();
        // The records of a millisecond more at either end, and between two ids.
        if (!('or' in where)) expect(recordsExamined - recordsMatched).toBeLessThan(EVENTS / 4);
      }),
      { numRuns: 20 },
    );
  });

  test('groups by a single member as a plain filter does', async () => {
    const groupBy = fc.constantFrom('stream' as const, 'type' as const, 'agent' as const, 'session' as const);
    const served = fc.oneof(
      located,
      fc.constant({}),
      fc.constantFrom(...TYPES).map((type) => ({ type: { eq: type } })),
    );
    await fc.assert(
      fc.asyncProperty(served, groupBy, async (where, groupBy) => {
        const aggregate = { count: true, min: 'sequence', max: 'sequence' } as const;
        const rows = store.query({ where, aggregate, groupBy });
        const groups = new Map<string | null, number[]>();
        for (const event of events.filter((event) => isFound(where, event))) {
          const value = (lookUp(groupBy, event) ?? null) as string | null;
          groups.set(value, [...(groups.get(value) ?? []), event.sequence]);
        }
        expect(await rows.toArray()).toEqual(
          [...groups].map(([value, own]) => ({
            group: { [groupBy]: value },
            count: own.length,
            min: { sequence: own[0] },
            max: { sequence: own.at(-1) },
          })),
        );
        expect((await rows.explain()).recordsMatched).toBe(expected(where, false).length);
      }),
      { numRuns: 15 },
    );
  });

  test('selects fields', async () => {
    const select = [
      'sequence',
      'time',
      'data.n',
      'data.list.0',
      'metadata.custom',
      'metadata',
      'agent',
      'tags',
      'id',
    ] as const;
    const rows = await store.query({ where: { sequence: { lte: 500 } }, select }).toArray();
    expect(rows).toEqual(
      events.slice(0, 500).map((event) => {
        const values = select.map((path) => [path, lookUp(path, event)]);
        return Object.fromEntries(values.filter(([, value]) => value !== undefined));
      }),
    );
  });

  test('counts, and finds extremes, by group', async () => {
    await fc.assert(
      fc.asyncProperty(located, async (where) => {
        const rows = await store
          .query({
            where,
            aggregate: { count: true, min: 'sequence', max: ['time', 'revision'] },
            groupBy: ['type', 'agent'],
          })
          .toArray();
        const groups = new Map<string, Plain[]>();
        for (const event of events.filter((event) => isFound(where, event))) {
          const key = JSON.stringify([event.type, event.metadata.agent ?? null]);
          groups.set(key, [...(groups.get(key) ?? []), event]);
        }
        const wanted = [...groups].map(([key, group]) => {
          const [type, agent] = JSON.parse(key) as [string, string | null];
          const max = { time: group.at(-1)!.time, revision: Math.max(...group.map(({ revision }) => revision)) };
          return { group: { type, agent }, count: group.length, min: { sequence: group[0]!.sequence }, max };
        });
        expect(rows).toEqual(wanted);
        const [total] = await store.query({ where, aggregate: { count: true } }).toArray();
        expect(total).toEqual({ group: {}, count: expected(where, false).length });
      }),
      { numRuns: 10 },
    );
  });
});

describe('what a query took', () => {
  const dir = makeDir();
  let store: Store;

  beforeAll(async () => {
    store = await openStore({ dir, ...LIMITS });
    await fill(store);
    await store.close();
    store = await openStore({ dir, ...LIMITS, cacheBytes: 0 });
  });

  afterAll(async () => {
    await store.close();
    removeDir(dir);
  });

  const explain = (query: Query) => store.query(query).explain();

  test('is told of rows that were not begun, which can be read all the same', async () => {
    const rows = store.query({ where: { tags: { eq: 'rare' } } });
    expect((await rows.explain()).recordsMatched).toBe(9);
    expect(await rows.toArray()).toHaveLength(9);
    expect((await rows.explain()).recordsMatched).toBe(9);
  });

  test('no segment outside of the range is looked at', async () => {
    const { segments } = store.stats();
    const told = await explain({ where: { sequence: { gte: 10, lt: 20 }, 'data.n': { exists: true } } });
    expect(told).toMatchObject({ segmentsConsidered: segments, segmentsPruned: segments - 1 });
    expect(told.recordsExamined).toBeLessThanOrEqual(11);
    expect(await explain({ where: { sequence: { gt: 20, lt: 10 } } })).toMatchObject({
      segmentsPruned: segments,
      recordsExamined: 0,
      bytesRead: 0,
    });
    expect((await explain({ where: { time: { lt: new Date(0) } } })).recordsExamined).toBe(0);
  });

  test('no segment without postings is looked at, and no record that they do not name', async () => {
    const { segments } = store.stats();
    const none = await explain({ where: { tags: { eq: 'nowhere' } } });
    expect(none).toMatchObject({ segmentsPruned: segments, recordsExamined: 0, postingsRead: 0 });
    const rare = await explain({ where: { tags: { eq: 'rare' }, type: { prefix: '' } } });
    expect(rare).toMatchObject({ recordsExamined: 9, recordsMatched: 9, recordsDecoded: 0 });
    expect(rare.postingsRead).toBeGreaterThanOrEqual(9);
    expect(rare.bytesRead).toBeGreaterThan(0);
    expect(rare.timeMs).toBeGreaterThan(0);
  });

  test('lists are cut down by others', async () => {
    const both = await explain({ where: { stream: { eq: 'seldom' }, type: { eq: 'Added' }, 'data.n': { gt: 5 } } });
    const events = (await store.read({ streams: 'seldom', types: 'Added' }).toArray()).length;
    expect(both.recordsExamined).toBe(events);
    expect(both.recordsDecoded).toBe(events);
  });

  test('payloads are decoded only where headers leave it open', async () => {
    const all = await explain({ where: { 'data.n': { gt: 5 } } });
    expect(all).toMatchObject({ recordsExamined: EVENTS, recordsDecoded: EVENTS, postingsRead: 0 });
    const some = await explain({ where: { 'data.n': { gt: 5 }, schemaVersion: { eq: 2 } } });
    const ofVersion = await explain({ where: { schemaVersion: { eq: 2 } } });
    expect(ofVersion.recordsDecoded).toBe(0);
    expect(some.recordsDecoded).toBe(ofVersion.recordsMatched);
  });

  test('a count that postings can tell reads no record', async () => {
    await store.query({ where: { type: { eq: 'Added' } }, aggregate: { count: true } }).toArray();
    const query: Query = { where: { type: { in: ['Added', 'Changed'] } }, aggregate: { count: true } };
    const [row] = await store.query(query).toArray();
    const found = await store.read({ types: ['Added', 'Changed'] }).toArray();
    expect(row).toEqual({ group: {}, count: found.length });
    const told = await explain(query);
    expect(told).toMatchObject({ recordsExamined: 0, recordsMatched: found.length, bytesRead: 0 });
    const groups = await explain({ aggregate: { count: true, max: 'sequence' }, groupBy: 'agent' });
    expect(groups).toMatchObject({ recordsExamined: 0, recordsMatched: EVENTS, segmentsPruned: 0 });
    expect((await explain({ aggregate: { count: true, max: 'time' } })).recordsExamined).toBe(1);
    expect((await explain({ aggregate: { count: true, max: 'revision' } })).recordsExamined).toBe(EVENTS);
  });
});
