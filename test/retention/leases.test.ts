/** Who reads while segments go. */
import fs from 'node:fs';
import path from 'node:path';
import { openStore, type Store } from 'keeperlog';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { makeDir, removeDir } from '../support/stores.js';
import { expectTidy, filesOf, fill, openWith, SEGMENT_BYTES, untilWithin } from './kit.js';

const LIMIT = { maxBytes: 3 * SEGMENT_BYTES };

/** Retention has sealed what is full, has looked, and has not removed it. */
async function untilHeld(store: Store): Promise<void> {
  const { segments } = store.stats();
  const sealed = (): number => fs.readdirSync(store.stats().dir).filter((name) => name.endsWith('.sealed')).length;
  await vi.waitFor(() => expect(sealed()).toBe(segments - 1), { timeout: 20_000, interval: 20 });
  await store.checkpoint();
  expect(store.stats().floor).toBe(1);
}

describe('a read of this process', () => {
  test('holds what it has not read yet, and sees all of it; behind it the log goes', async () => {
    const store = await openWith(LIMIT, { cacheBytes: 0 });
    await fill(store, 60);
    const rows = store.read()[Symbol.asyncIterator]();
    const seen = [(await rows.next()).value!.sequence];
    await fill(store, 60, 60);
    for (let i = 0; i < 5; i++) seen.push((await rows.next()).value!.sequence);
    expect(store.stats().floor).toBeLessThan(seen.at(-1)!);
    for (let row = await rows.next(); row.done !== true; row = await rows.next()) seen.push(row.value.sequence);
    // Its end was where the log ended at its first pull.
    expect(seen).toEqual(Array.from({ length: seen.length }, (_, i) => seen[0]! + i));
    expect(seen.at(-1)).toBe(60);
    await untilWithin(store, LIMIT.maxBytes);
    expect(store.stats().floor).toBeGreaterThan(60);
  });

  test.each([
    ['forwards', (store: Store) => store.read()],
    ['backwards', (store: Store) => store.read({}, { direction: 'backwards' })],
    ['by a selector', (store: Store) => store.read({ types: 'Said' })],
    ['of a stream', (store: Store) => store.readStream('s1')],
    ['of a query', (store: Store) => store.query({ where: { type: { eq: 'Said' } } })],
    ['of streams', (store: Store) => store.streams()],
  ] as const)('%s holds the log until it is left', async (_, read) => {
    const store = await openWith(LIMIT, { cacheBytes: 0, sealing: 'on-demand' });
    await fill(store, 60);
    const rows = read(store)[Symbol.asyncIterator]();
    expect((await rows.next()).done).toBe(false);
    await store.seal();
    await untilHeld(store);
    await rows.return?.(undefined);
    await untilWithin(store, LIMIT.maxBytes);
    expect(store.stats().floor).toBeGreaterThan(20);
  });

  test('that has lost its lease is told that what it wants was removed', async () => {
    const store = await openWith(LIMIT, { cacheBytes: 0, sealing: 'on-demand' });
    await fill(store, 60);
    const rows = store.read()[Symbol.asyncIterator]();
    await rows.next();
    const start = performance.now();
    const now = vi.spyOn(performance, 'now').mockImplementation(() => start + 700_000);
    onTestFinished(() => now.mockRestore());
    await store.seal();
    const floor = await untilWithin(store, LIMIT.maxBytes);
    const goOn = async (): Promise<void> => {
      for (let row = await rows.next(); row.done !== true; row = await rows.next());
    };
    await expect(goOn()).rejects.toMatchObject({ code: 'ERR_PRUNED', floor });
  });
});

describe('back to back', () => {
  /** One after the other, for as long as the log has its beginning, which it must lose before the test's time is over. */
  async function untilBegun(store: Store, hold: (round: number) => Promise<unknown>): Promise<void> {
    let round = 0;
    for (; store.stats().floor === 1; round++) await hold(round);
    expect(round).toBeGreaterThan(1);
  }

  test('backups hold the log no longer than the one under way, beside appends', { timeout: 60_000 }, async () => {
    const store = await openWith(LIMIT);
    const to = makeDir();
    onTestFinished(() => removeDir(to));
    let filled = 0;
    let done = false;
    const filling = (async () => {
      for (; !done && filled < 200; filled++) await fill(store, 1, filled);
    })();
    try {
      await untilBegun(store, (round) => store.backup(path.join(to, `${round % 2}`)));
    } finally {
      done = true;
      await filling;
    }
    expect(store.stats().floor).toBeGreaterThan(1);
    // However much was appended meanwhile, and is not sealed yet.
    await store.seal();
    await untilWithin(store, LIMIT.maxBytes);
    expect(await store.verify({ deep: true })).toMatchObject({ ok: true, events: filled + 1 - store.stats().floor });
  });

  test('reads hold the log no longer than the one under way', { timeout: 60_000 }, async () => {
    const store = await openWith(LIMIT, { cacheBytes: 0, sealing: 'on-demand' });
    await fill(store, 60);
    let reading = store.read({}, { direction: 'backwards' })[Symbol.asyncIterator]();
    await reading.next();
    await store.seal();
    await untilHeld(store);
    await untilBegun(store, async () => {
      await reading.return?.(undefined);
      reading = store.read({}, { direction: 'backwards' })[Symbol.asyncIterator]();
      for (let i = 0; i < 20; i++) await reading.next();
    });
    await reading.return?.(undefined);
    await untilWithin(store, LIMIT.maxBytes);
  });
});

test('a store is closed while what is to go is ready, and somebody reads it: it stays, and its base goes', async () => {
  let store = await openWith(LIMIT, { cacheBytes: 0, sealing: 'on-demand' });
  await fill(store, 60);
  const first = store.read()[Symbol.asyncIterator]();
  await first.next();
  await store.seal();
  await untilHeld(store);
  await first.return?.(undefined);
  const second = store.read()[Symbol.asyncIterator]();
  await second.next();
  await vi.waitFor(() => expect(filesOf(store, '.base')).toHaveLength(1), { timeout: 20_000, interval: 20 });
  expect(store.stats().floor).toBe(1);
  await store.close();
  expect(store.stats().floor).toBe(1);
  const { dir } = store.stats();
  store = await openWith(undefined, { dir, sealing: 'on-demand' });
  expectTidy(store);
  expect(await store.verify({ deep: true })).toMatchObject({ ok: true, events: 60 });
});

describe('a process that only reads, beside the writer', () => {
  async function beside(): Promise<{ store: Store; reader: Store }> {
    const store = await openWith(LIMIT, { cacheBytes: 0, sealing: 'on-demand' });
    await fill(store, 60);
    const reader = await openStore({ dir: store.stats().dir, readOnly: true });
    onTestFinished(() => reader.close());
    return { store, reader };
  }

  test('holds nothing, and is told that what it wants was removed', async () => {
    const { store, reader } = await beside();
    const rows = reader.read()[Symbol.asyncIterator]();
    expect((await rows.next()).value?.sequence).toBe(1);
    await store.seal();
    const floor = await untilWithin(store, LIMIT.maxBytes);
    const seen: number[] = [];
    const goOn = async (): Promise<void> => {
      for (let row = await rows.next(); row.done !== true; row = await rows.next()) seen.push(row.value.sequence);
    };
    await expect(goOn()).rejects.toMatchObject({ code: 'ERR_PRUNED', floor });
    expect(seen).toEqual(Array.from({ length: seen.length }, (_, i) => i + 2));
    await expect(reader.get(1)).rejects.toMatchObject({ code: 'ERR_PRUNED', floor });
    expect(reader.stats()).toMatchObject({ floor, segments: store.stats().segments });
    expect((await reader.read().first())?.sequence).toBe(floor);
    expect(await reader.verify({ deep: true })).toMatchObject({ ok: true, events: 61 - floor });
  });

  test('goes on though all that it knew is gone', async () => {
    const { store, reader } = await beside();
    // It may learn a little later what is durable.
    await vi.waitFor(async () => expect((await reader.head())?.sequence).toBe(60));
    await fill(store, 60, 60);
    await store.seal();
    const floor = await untilWithin(store, LIMIT.maxBytes);
    expect(floor).toBeGreaterThan(60);
    expect((await reader.head())?.sequence).toBe(120);
    expect(await reader.read({}, { after: floor - 1 }).toArray()).toHaveLength(121 - floor);
    await expect(reader.read({}, { after: 60 }).toArray()).rejects.toMatchObject({ code: 'ERR_PRUNED', floor });
    expect(await reader.streams().toArray()).toHaveLength(3);
  });

  test('reads and opens all the time while segments go, and never sees damage', async () => {
    const store = await openWith(LIMIT, { cacheBytes: 0 });
    await fill(store, 40);
    let done = false;
    const read = async (): Promise<number> => {
      let reads = 0;
      for (; !done; reads++) {
        const reader = await openStore({ dir: store.stats().dir, readOnly: true });
        try {
          for (let i = 0; i < 3; i++) {
            let last = 0;
            for await (const { sequence } of reader.read()) {
              expect(last === 0 || sequence === last + 1).toBe(true);
              last = sequence;
            }
            await reader.streams().toArray();
          }
        } catch (error) {
          expect(error).toMatchObject({ code: 'ERR_PRUNED' });
        } finally {
          await reader.close();
        }
      }
      return reads;
    };
    const reading = read();
    await fill(store, 300, 40);
    await untilWithin(store, LIMIT.maxBytes);
    done = true;
    expect(await reading).toBeGreaterThan(3);
  });
});

test('a store is closed while segments go, and what is left over is removed by the next opening', async () => {
  let store = await openWith(LIMIT);
  let events = 0;
  for (; store.stats().floor === 1; events += 20) await fill(store, 20, events);
  await fill(store, 40, events);
  events += 40;
  const goneBefore = store.stats().floor - 1;
  await store.close();
  const { dir } = store.stats();
  store = await openWith(undefined, { dir, sealing: 'on-demand' });
  const { floor } = store.stats();
  expect(floor).toBeGreaterThan(goneBefore);
  expectTidy(store);
  expect(filesOf(store, '.tmp')).toEqual([]);
  expect(await store.verify({ deep: true })).toMatchObject({ ok: true, events: events + 1 - floor });
  for (const stream of ['s0', 's1', 's2']) {
    const head = await store.head(stream);
    await store.append(stream, { type: 'WentOn' }, { expect: head!.revision! });
  }
});
