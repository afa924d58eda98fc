/** Payloads of many records are looked at by the pool: what is found, and in which order, does not tell by whom. */
import fs from 'node:fs';
import path from 'node:path';
import { openStore, type QueryRows, type RecordedEvent, type Store } from 'keeperlog';
import { Piscina } from 'piscina';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { flip } from '../faults/layout.js';
import { failure } from '../support/errors.js';
import { copyDir, makeDir, open, removeDir, reopen, SMALL } from '../support/stores.js';

const EVENTS = 24_000;
const WHERE = { type: { eq: 'Step' }, 'data.n': { gte: 5000 }, 'data.of.kind': { in: ['a', 'c'] } };

/** Three in four are steps; the others have no such data, or none. */
async function fill(store: Store): Promise<void> {
  for (let i = 0; i < EVENTS; i += 500) {
    const batch = Array.from({ length: 500 }, (_, k) => {
      const n = i + k;
      if (n % 4 === 0) return { type: 'Other', data: n % 8 === 0 ? null : { n, of: 'a' } };
      return { type: 'Step', data: { text: 'what is done '.repeat(n % 9), of: { kind: 'abc'[n % 3]! }, n } };
    });
    await store.append(`stream-${(i / 500) % 5}`, batch);
  }
}

function isFound(n: number): boolean {
  return n % 4 !== 0 && n >= 5000 && n % 3 !== 1;
}

const FOUND = Array.from({ length: EVENTS }, (_, n) => n).filter(isFound);

const numbers = (events: readonly RecordedEvent[]): number[] => events.map(({ data }) => (data as { n: number }).n);

/** Tasks that the pool is given; those of queries may be answered by something else. */
function watchPool(answer?: (count: number) => unknown): { readonly given: number[] } {
  const given: number[] = [];
  const run = Piscina.prototype.run;
  vi.spyOn(Piscina.prototype, 'run').mockImplementation(async function (this: Piscina, task: any, ...rest: any[]) {
    if (task.kind !== 'filter') return run.call(this, task, ...rest);
    given.push(task.ordinals.length);
    return answer === undefined ? run.call(this, task, ...rest) : answer(given.length);
  });
  return { given };
}

afterEach(() => void vi.restoreAllMocks());

const sealed = path.join(makeDir(), 'store');

beforeAll(async () => {
  const store = await openStore({ ...SMALL, dir: sealed });
  await fill(store);
  await store.seal();
  await store.close();
});

afterAll(() => removeDir(path.dirname(sealed)));

const sealedStore = (options = {}): Promise<Store> => open({ ...options, dir: copyDir(sealed) });

async function explained(rows: QueryRows<RecordedEvent>) {
  const found = numbers(await rows.toArray());
  const { timeMs, bytesRead, ...counts } = await rows.explain();
  expect(bytesRead).toBeGreaterThan(0);
  expect(timeMs).toBeGreaterThan(0);
  return { found, counts };
}

describe('a query of many payloads', () => {
  test('is answered with the help of the pool, in both directions, and counts what was done', async () => {
    const store = await sealedStore();
    const pool = watchPool();
    const forwards = await explained(store.query({ where: WHERE }));
    expect(forwards.found).toEqual(FOUND);
    expect(pool.given.reduce((sum, count) => sum + count, 0)).toBeGreaterThan(EVENTS / 3);
    expect(Math.max(...pool.given)).toBeLessThanOrEqual(4096);
    const steps = (EVENTS * 3) / 4;
    expect(forwards.counts).toMatchObject({
      ...{ postingsRead: steps, recordsExamined: steps, recordsDecoded: steps, recordsMatched: FOUND.length },
    });
    const backwards = await explained(store.query({ where: WHERE, direction: 'backwards' }));
    expect(backwards.found).toEqual(FOUND.toReversed());
    expect(backwards.counts).toEqual(forwards.counts);
  });

  test('without an index of what it asks for, too', async () => {
    const store = await sealedStore();
    const pool = watchPool();
    const { type, ...where } = WHERE;
    expect(numbers(await store.query({ where }).toArray())).toEqual(FOUND);
    expect(pool.given.length).toBeGreaterThan(2);
    const some = await store.query({ where, select: ['data.n'], direction: 'backwards' }).toArray();
    expect(some.map((row) => row['data.n'])).toEqual(FOUND.toReversed());
  });

  test('in segments that are not sealed, in a store that is only read, and after a restart', async () => {
    const store = await open();
    await fill(store);
    const raw = watchPool();
    expect(numbers(await store.query({ where: WHERE }).toArray())).toEqual(FOUND);
    expect(raw.given.length).toBeGreaterThan(0);
    await store.seal();
    const reader = await reopen(store, { readOnly: true, poolThreads: 3 });
    expect(numbers(await reader.query({ where: WHERE }).toArray())).toEqual(FOUND);
    const before = raw.given.length;
    expect(await reader.query({ where: WHERE, aggregate: { count: true, max: ['data.n'] } }).toArray()).toEqual([
      { group: {}, count: FOUND.length, max: { 'data.n': FOUND.at(-1) } },
    ]);
    expect(raw.given.length).toBeGreaterThan(before);
  });

  test('by pages that follow each other', async () => {
    const store = await sealedStore();
    const all: number[] = [];
    for (let cursor: string | undefined; ; ) {
      const page = await store.query({ where: WHERE, limit: 3000, ...(cursor !== undefined && { cursor }) }).page();
      all.push(...numbers(page.items));
      if (page.cursor === undefined) break;
      cursor = page.cursor;
    }
    expect(all).toEqual(FOUND);
  });

  test("where the header decides, or there are few, is not the pool's", async () => {
    const store = await sealedStore();
    const pool = watchPool();
    expect(await store.query({ where: { type: { eq: 'Step' } } }).toArray()).toHaveLength((EVENTS * 3) / 4);
    expect(await store.query({ where: { ...WHERE, sequence: { lte: 4000 } } }).toArray()).toEqual([]);
    expect(await store.query({ where: WHERE, limit: 10, direction: 'backwards' }).toArray()).toHaveLength(10);
    expect(pool.given).toEqual([]);
  });

  test('does not find what was deleted, or compacted', async () => {
    const store = await sealedStore();
    const rest = FOUND.filter((n) => Math.floor(n / 500) % 5 !== 2);
    await store.deleteStream('stream-2');
    expect(numbers(await store.query({ where: WHERE }).toArray())).toEqual(rest);
    await store.compact();
    const pool = watchPool();
    expect(numbers(await store.query({ where: WHERE }).toArray())).toEqual(rest);
    expect(pool.given.length).toBeGreaterThan(1);
  });

  test('that is compacted under it finds what is left', async () => {
    const store = await sealedStore({ cacheBytes: 0 });
    await store.deleteStream('stream-2');
    const rest = FOUND.filter((n) => Math.floor(n / 500) % 5 !== 2);
    const found: number[] = [];
    let compacting: Promise<unknown> | undefined;
    for await (const event of store.query({ where: WHERE })) {
      found.push(...numbers([event]));
      compacting ??= store.compact();
      if (found.length % 500 === 0) await new Promise(setImmediate);
    }
    expect(found).toEqual(rest);
    await compacting;
    expect(await store.verify({ deep: true })).toMatchObject({ ok: true });
  });

  test('is aborted between two parts', async () => {
    const store = await sealedStore();
    const controller = new AbortController();
    const seen: number[] = [];
    const reading = async () => {
      for await (const rows of store.query({ where: WHERE }, { signal: controller.signal }).batches()) {
        seen.push(...numbers(rows));
        if (seen.length > 3000) controller.abort();
      }
    };
    await failure('ERR_ABORTED', reading);
    expect(seen).toEqual(FOUND.slice(0, seen.length));
    expect(seen.length).toBeLessThan(FOUND.length);
  });

  test('is left by a store that is closed', async () => {
    const store = await sealedStore();
    const reading = async () => {
      for await (const _ of store.query({ where: WHERE })) void store.close();
    };
    await failure('ERR_CLOSED', reading);
  });
});

describe("what the pool does not do is done on the caller's thread", () => {
  test.each<[string, (count: number) => unknown]>([
    ['where its threads end', () => Promise.reject(new Error('Terminating worker thread'))],
    [
      'where its reads fail',
      () => ({ error: { code: 'ERR_STORAGE', message: 'read failed', errno: 'EIO', syscall: 'read' } }),
    ],
    ['where records are not where an index says', () => ({ result: undefined, tookMs: 1 })],
  ])('%s', async (_, answer) => {
    const store = await sealedStore();
    const pool = watchPool(answer);
    expect(numbers(await store.query({ where: WHERE }).toArray())).toEqual(FOUND);
    expect(pool.given.length).toBeGreaterThan(1);
  });

  test('and damage is met in its place, by what comes before it', async () => {
    const store = await sealedStore({ cacheBytes: 0 });
    const { dir } = store.stats();
    await store.close();
    const last = fs.readdirSync(dir).findLast((name) => name.endsWith('.sealed'));
    flip(path.join(dir, last!), 20_000);
    const reader = await open({ dir, readOnly: true, cacheBytes: 0 });
    const pool = watchPool();
    const seen: number[] = [];
    const reading = async () => {
      for await (const event of reader.query({ where: WHERE })) seen.push(...numbers([event]));
    };
    await failure('ERR_CORRUPT', reading);
    expect(pool.given.length).toBeGreaterThan(0);
    expect(seen).toEqual(FOUND.slice(0, seen.length));
    expect(seen.length).toBeGreaterThan(1000);
  });
});
