/** What an embedded store has beyond the portable log. */
import fs from 'node:fs';
import { type NewEvent, openStore, type Store } from 'keeperlog';
import { describe, expect, test, vi } from 'vitest';
import { failure, refusal } from '../support/errors.js';
import { open, reopen, temporaryDir } from '../support/stores.js';

const event = (data: unknown = null): NewEvent => ({ type: 'Noted', data });

/** One event of about a kibibyte fits into the ring, two wait, more are too many. */
const TINY = { maxEventBytes: 1024, maxBatchBytes: 1024, ringBytes: 1024 + 64 * 1024, maxPendingBytes: 2048 };
const big = (data: string): NewEvent => event(data.padEnd(800, '.'));

/** The store compares the wall clock with the monotonic one once a millisecond: until then it does not see a step. */
async function untilClocksAreCompared(): Promise<void> {
  for (const began = performance.now(); performance.now() - began < 2; ) await new Promise(setImmediate);
}

describe('enqueue', () => {
  test('gives the ids at once, and the result when they are durable', async () => {
    const store = await open({ durability: 'accepted' });
    const { ids, durable } = store.enqueue('a', [event(1), event(2)]);
    expect(ids).toHaveLength(2);
    expect(await durable).toMatchObject({ ids, firstSequence: 1, lastSequence: 2, durability: 'synced' });
    expect((await store.get(ids[1]!))?.data).toBe(2);
  });

  test('throws what append rejects with', async () => {
    const store = await open();
    expect(await refusal(() => void store.enqueue('a', { type: '' }))).toEqual({
      code: 'ERR_INVALID_EVENT',
      path: 'event.type',
    });
    const conflict = await failure('ERR_CONFLICT', () => void store.enqueue('a', event(), { expect: 3 }));
    expect(conflict.outcome).toBe('not-appended');
  });

  test.each(['durability', 'signal', 'condition'])('refuses the option %s', async (option) => {
    const store = await open();
    const signal = new AbortController().signal;
    const value = option === 'signal' ? signal : option === 'durability' ? 'written' : {};
    expect(await refusal(() => void store.enqueue('a', event(), { [option]: value } as object))).toEqual({
      code: 'ERR_INVALID_OPTIONS',
      path: option,
    });
  });

  test('gives the first ids again where the call is repeated, pending or durable', async () => {
    const store = await open();
    const keyed = { ...event(), idempotencyKey: 'k' };
    const first = store.enqueue('a', keyed);
    const second = store.enqueue('a', keyed);
    expect(second.ids).toEqual(first.ids);
    expect(await second.durable).toEqual({ ...(await first.durable), duplicate: true });
    expect(store.enqueue('a', keyed).ids).toEqual(first.ids);
  });

  test('throws ERR_BACKPRESSURE rather than wait', async () => {
    const store = await open(TINY);
    store.enqueue('a', big('1'));
    const error = await failure('ERR_BACKPRESSURE', () => void store.enqueue('a', big('2')));
    expect(error).toMatchObject({ retryable: true, outcome: 'not-appended', mode: 'open' });
    expect(error.retryAfterMs).toBeGreaterThan(0);
    await store.flush();
    expect(store.enqueue('a', big('2')).ids).toHaveLength(1);
  });
});

describe('appendSync', () => {
  test('returns when the events are durable', async () => {
    const store = await open();
    expect(store.appendSync('a', [event(1), event(2)])).toMatchObject({ lastSequence: 2, durability: 'synced' });
    expect((await store.head())?.sequence).toBe(2);
  });

  test.each(['written', 'accepted'] as const)('returns earlier with durability %s', async (durability) => {
    const store = await open();
    expect(store.appendSync('a', event(), { durability })).toMatchObject({ durability, firstSequence: 1 });
    await store.flush();
    expect((await store.head())?.sequence).toBe(1);
  });

  test('throws what append rejects with', async () => {
    const store = await open();
    store.appendSync('a', event());
    const error = await failure('ERR_CONFLICT', () => store.appendSync('a', event(), { expect: 'none' }));
    expect(error).toMatchObject({ actual: 0, outcome: 'not-appended' });
    await failure('ERR_INVALID_EVENT', () => store.appendSync('$a', event()));
  });

  test('takes its place behind pending appends, and they get their results', async () => {
    const store = await open();
    const before = [store.append('a', event(1)), store.append('a', event(2))];
    expect(store.appendSync('a', event(3))).toMatchObject({ firstSequence: 3, revision: 2 });
    expect((await Promise.all(before)).map(({ firstSequence }) => firstSequence)).toEqual([1, 2]);
  });

  test('lets those in first who wait for room', async () => {
    const store = await open({ ...TINY, maxPendingBytes: 64 * 1024 });
    const before = Array.from({ length: 10 }, (_, i) => store.append('a', big(String(i))));
    expect(store.stats().waiting).toBeGreaterThan(0);
    expect(store.appendSync('a', big('last'))).toMatchObject({ firstSequence: 11, revision: 10 });
    expect((await Promise.all(before)).map(({ revision }) => revision)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  });

  test('repeated while the first call is pending waits for it', async () => {
    const store = await open();
    const keyed = { ...event(), idempotencyKey: 'k' };
    const first = store.append('a', keyed);
    expect(store.appendSync('a', keyed)).toMatchObject({ firstSequence: 1, duplicate: true });
    expect(await first).toMatchObject({ duplicate: false });
  });
});

describe('flush', () => {
  test('gives read-your-writes for the weaker durabilities', async () => {
    const store = await open({ durability: 'accepted' });
    for (let i = 0; i < 50; i++) await store.append('a', event(i));
    await store.flush();
    expect(await store.read().toArray()).toHaveLength(50);
  });

  test('returns at once where nothing is pending', async () => {
    const store = await open();
    await store.flush();
  });

  test('waits for those who wait for room', async () => {
    const store = await open({ ...TINY, maxPendingBytes: 64 * 1024 });
    const appends = Array.from({ length: 10 }, (_, i) => store.append('a', big(String(i))));
    await store.flush();
    expect(store.stats()).toMatchObject({ durable: 10, pending: 0, waiting: 0 });
    await Promise.all(appends);
  });

  test('returns where the one that waited last is aborted', async () => {
    const store = await open({ ...TINY, maxPendingBytes: 64 * 1024 });
    const controller = new AbortController();
    const first = store.append('a', big('1'));
    const second = store.append('a', big('2'), { signal: controller.signal });
    expect(store.stats().waiting).toBe(1);
    const flushed = store.flush();
    controller.abort();
    expect((await failure('ERR_ABORTED', () => second)).outcome).toBe('not-appended');
    await flushed;
    await first;
    expect((await store.head())?.sequence).toBe(1);
  });

  test('returns where the one that waited last repeats an earlier one', async () => {
    const store = await open({ ...TINY, maxPendingBytes: 64 * 1024 });
    const keyed = { ...big('k'), idempotencyKey: 'k' };
    await store.append('a', keyed);
    const appends = [store.append('a', big('1')), store.append('a', keyed)];
    expect(store.stats().waiting).toBe(1);
    await store.flush();
    expect((await Promise.all(appends)).map(({ duplicate }) => duplicate)).toEqual([false, true]);
  });
});

describe('backpressure', () => {
  test('what does not fit into the ring waits, in order, and is refused beyond maxPendingBytes', async () => {
    const store = await open(TINY);
    const calls = Array.from({ length: 6 }, (_, i) => store.append('a', big(String(i))));
    expect(store.stats()).toMatchObject({ pending: 1, waiting: 2 });
    const results = await Promise.allSettled(calls);
    expect(results.map(({ status }) => status)).toEqual([
      'fulfilled',
      'fulfilled',
      'fulfilled',
      'rejected',
      'rejected',
      'rejected',
    ]);
    const error = await failure('ERR_BACKPRESSURE', () => calls[5]);
    expect(error).toMatchObject({ retryable: true, outcome: 'not-appended' });
    expect((await store.read().toArray()).map(({ data }) => data[0])).toEqual(['0', '1', '2']);
  });

  test('without maxPendingBytes nothing waits', async () => {
    const store = await open({ ...TINY, maxPendingBytes: 0 });
    const first = store.append('a', big('1'));
    await failure('ERR_BACKPRESSURE', () => store.append('a', big('2')));
    await first;
  });

  test('who waits is checked when there is room, and sees what came before', async () => {
    const store = await open(TINY);
    const first = store.append('a', big('1'));
    const second = store.append('a', big('2'), { expect: 0 });
    const third = store.append('a', big('3'), { expect: 0 });
    expect((await first).revision).toBe(0);
    expect((await second).revision).toBe(1);
    expect(await failure('ERR_CONFLICT', () => third)).toMatchObject({ actual: 1, outcome: 'not-appended' });
  });

  test('an abort lets a waiter go, and those behind it in', async () => {
    const store = await open({ ...TINY, maxPendingBytes: 64 * 1024 });
    const controller = new AbortController();
    const calls = [
      store.append('a', big('1')),
      store.append('a', big('2'), { signal: controller.signal }),
      store.append('a', big('3')),
    ];
    controller.abort(new Error('why'));
    const error = await failure('ERR_ABORTED', () => calls[1]);
    expect(error).toMatchObject({ outcome: 'not-appended', name: 'AbortError' });
    expect(await calls[2]).toMatchObject({ firstSequence: 2, revision: 1 });
    expect(store.stats()).toMatchObject({ waiting: 0, memory: { waiting: { bytes: 0 } } });
  });

  test('close waits for waiters', async () => {
    const store = await open({ ...TINY, maxPendingBytes: 64 * 1024 });
    const calls = Array.from({ length: 20 }, (_, i) => store.append('a', big(String(i))));
    await store.close();
    expect((await Promise.all(calls)).at(-1)?.revision).toBe(19);
  });

  test.each(['written', 'accepted'] as const)('waiters with durability %s are told', async (durability) => {
    const store = await open({ ...TINY, maxPendingBytes: 64 * 1024, durability });
    const calls = Array.from({ length: 20 }, (_, i) => store.append('a', big(String(i))));
    expect((await Promise.all(calls)).every((result) => result.durability === durability)).toBe(true);
  });

  test('the heads of streams whose appends wait stay one, however many other streams come by', async () => {
    const limits = { maxEventBytes: 65_536, maxBatchBytes: 262_144, ringBytes: 524_288 };
    const store = await open({ ...limits, durability: 'accepted' });
    const streams = 40_000;
    const calls: Promise<unknown>[] = [];
    for (let round = 0; round < 2; round++) {
      for (let i = 0; i < streams; i++) calls.push(store.append(`s${i}`, event()));
    }
    expect(store.stats().waiting).toBeGreaterThan(streams);
    const results = (await Promise.all(calls)) as { revision: number }[];
    const wrong = results.filter(({ revision }, i) => revision !== Math.floor(i / streams));
    expect(wrong).toEqual([]);
  });
});

describe('idempotency keys', () => {
  const keyed = (key: string, data: unknown = 1): NewEvent => ({ type: 't', data, idempotencyKey: key });

  test('an abort of a call that repeats a pending one leaves open what becomes of that', async () => {
    const store = await open();
    const controller = new AbortController();
    const first = store.append('a', keyed('k'));
    const again = store.append('a', keyed('k'), { signal: controller.signal });
    controller.abort();
    expect(await failure('ERR_ABORTED', () => again)).toMatchObject({ outcome: 'unknown' });
    expect(await first).toMatchObject({ firstSequence: 1, duplicate: false });
  });

  test('are remembered after the store was closed and opened again', async () => {
    const store = await open();
    const first = await store.append('a', keyed('k'));
    const again = await reopen(store);
    expect(await again.append('a', keyed('k'))).toEqual({ ...first, duplicate: true });
    await failure('ERR_IDEMPOTENCY_REUSED', () => again.append('a', keyed('k', 2)));
  });

  test('are remembered where the store was not closed', async () => {
    const store = await open();
    const first = await store.append('a', [keyed('k'), event()]);
    const copy = temporaryDir();
    fs.cpSync(store.stats().dir, copy, { recursive: true });
    const again = await open({ dir: copy });
    expect(await again.append('a', [keyed('k'), event()])).toEqual({ ...first, duplicate: true });
  });

  test('stand for the same body whichever codec wrote it', async () => {
    const store = await open({ dataCodec: 'json' });
    await store.append('a', keyed('k', { n: 1, text: 'x' }));
    const again = await reopen(store, { dataCodec: 'msgpack' });
    expect(await again.append('a', keyed('k', { text: 'x', n: 1 }))).toMatchObject({ duplicate: true });
  });

  test('are forgotten oldest first beyond maxKeys', async () => {
    const store = await open({ idempotency: { maxKeys: 3 } });
    for (const key of ['a', 'b', 'c', 'd']) await store.append('s', keyed(key));
    expect(await store.append('s', keyed('b'))).toMatchObject({ duplicate: true });
    expect(await store.append('s', keyed('d'))).toMatchObject({ duplicate: true });
    expect(await store.append('s', keyed('a'))).toMatchObject({ duplicate: false, firstSequence: 5 });
    const again = await reopen(store, { idempotency: { maxKeys: 3 } });
    expect(await again.append('s', keyed('a'))).toMatchObject({ duplicate: true, firstSequence: 5 });
    expect(await again.append('s', keyed('c'))).toMatchObject({ duplicate: true });
    expect(await again.append('s', keyed('b'))).toMatchObject({ duplicate: false });
  });

  test('are not remembered at all with maxKeys 0', async () => {
    const store = await open({ idempotency: { maxKeys: 0 } });
    await store.append('s', keyed('a'));
    expect(await store.append('s', keyed('a'))).toMatchObject({ duplicate: false, firstSequence: 2 });
  });

  test('are forgotten once they are older than maxAgeMs and another one comes', async () => {
    const store = await open({ idempotency: { maxAgeMs: 60_000 } });
    await store.append('s', keyed('a'));
    const now = Date.now();
    const clock = vi.spyOn(Date, 'now').mockImplementation(() => now + 30_000);
    try {
      await untilClocksAreCompared();
      await store.append('s', keyed('b'));
      expect(await store.append('s', keyed('a'))).toMatchObject({ duplicate: true });
      clock.mockImplementation(() => now + 70_000);
      await untilClocksAreCompared();
      await store.append('s', keyed('c'));
      expect(await store.append('s', keyed('a'))).toMatchObject({ duplicate: false });
      expect(await store.append('s', keyed('b'))).toMatchObject({ duplicate: true });
    } finally {
      clock.mockRestore();
    }
  });
});

describe('timestamps', () => {
  async function timestamps(store: Store): Promise<bigint[]> {
    return (await store.read().toArray()).map(({ timestampNs }) => timestampNs);
  }

  function expectIncreasing(list: readonly bigint[]): void {
    for (let i = 1; i < list.length; i++) expect(list[i]! > list[i - 1]!).toBe(true);
  }

  test('increase strictly where the clock steps back, also when the store is opened again', async () => {
    const warn = vi.fn();
    const logger = { error() {}, warn, info() {}, debug() {} };
    let store = await open({ logger });
    await store.append('a', [event(), event()]);
    const now = Date.now();
    const clock = vi.spyOn(Date, 'now').mockImplementation(() => now - 86_400_000);
    try {
      await untilClocksAreCompared();
      await store.append('a', [event(), event()]);
      expect(warn).toHaveBeenCalledOnce();
      store = await reopen(store);
      await store.append('a', event());
      const list = await timestamps(store);
      expect(list).toHaveLength(5);
      expectIncreasing(list);
      expect(list.at(-1)!).toBeGreaterThanOrEqual(list.at(-2)! + 10_000_000n);
    } finally {
      clock.mockRestore();
    }
  });

  test('stay ahead of a clock that was years ahead once', async () => {
    const now = Date.now();
    const clock = vi.spyOn(Date, 'now').mockImplementation(() => now + 5 * 365 * 86_400_000);
    try {
      const store = await open();
      await store.append('a', event());
      clock.mockRestore();
      const again = await reopen(store);
      await again.append('a', event());
      const list = await timestamps(again);
      expectIncreasing(list);
      expect(list[1]! - list[0]!).toBeLessThan(60_000_000_000n);
    } finally {
      clock.mockRestore();
    }
  });
});

describe('a store in :memory:', () => {
  test('tells what it was like when it was closed', async () => {
    const store = await openStore(':memory:');
    await store.append('a', event());
    const before = store.stats();
    await store.close();
    expect(store.stats()).toMatchObject({ mode: 'closed', durable: 1, segments: before.segments, bytes: before.bytes });
  });

  test('is gone when it is closed', async () => {
    const store = await openStore(':memory:');
    const { dir } = store.stats();
    await store.append('a', event());
    expect(fs.existsSync(dir)).toBe(true);
    await store.close();
    expect(fs.existsSync(dir)).toBe(false);
  });

  test('is another one each time', async () => {
    const one = await open({ dir: ':memory:' });
    const two = await open({ dir: ':memory:' });
    await one.append('a', event());
    expect(await two.head()).toBeUndefined();
  });
});

test('a store closes itself at the end of `await using`', async () => {
  const store = await open();
  await store.append('a', event());
  await store[Symbol.asyncDispose]();
  await failure('ERR_CLOSED', () => store.append('a', event()));
});

test('members of the embedded store are refused with ERR_CLOSED after close', async () => {
  const store = await open();
  await store.close();
  const calls = [
    () => void store.enqueue('a', event()),
    () => store.appendSync('a', event()),
    () => store.flush(),
    () => store.verify(),
  ];
  for (const call of calls) expect(await refusal(call)).toMatchObject({ code: 'ERR_CLOSED' });
});
