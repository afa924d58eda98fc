/** Removing once, when it is asked for. */
import { openStore, type PruneProgress, type Store } from 'keeperlog';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { temporaryDir } from '../support/stores.js';
import { expectTidy, filesOf, fill, openWith, SEGMENT_BYTES } from './kit.js';

const LIMIT = { maxBytes: 3 * SEGMENT_BYTES };
const AGE = { maxAgeMs: 12 * 3_600_000 };

/** Some six segments, of which none is sealed. */
async function filled(retention?: { maxBytes: number }): Promise<Store> {
  const store = await openWith(retention, { sealing: 'on-demand', cacheBytes: 0 });
  await fill(store, 60);
  return store;
}

/** All events are a day old by the wall clock, which jumps by that. */
function aDayLater(): void {
  const { now } = Date;
  const clock = vi.spyOn(Date, 'now').mockImplementation(() => now() + 24 * 3_600_000);
  onTestFinished(() => clock.mockRestore());
}

describe('prune', () => {
  test('seals what is full, and removes the oldest until within the limit, and no more', async () => {
    const store = await filled();
    const before = store.stats();
    const told: PruneProgress[] = [];
    const report = await store.prune(LIMIT, { onProgress: (progress) => told.push(progress) });
    const { floor, segments, bytes } = store.stats();
    expect(report).toEqual({
      floor,
      segments: before.segments - segments,
      bytes: expect.any(Number),
      left: null,
      clockDoubted: false,
    });
    expect(floor).toBeGreaterThan(20);
    expect(report.bytes).toBeGreaterThan(report.segments * 0.8 * SEGMENT_BYTES);
    expect(told.at(-1)).toEqual({ floor, segments: report.segments, bytes: report.bytes });
    expect(bytes).toBeLessThanOrEqual(LIMIT.maxBytes);
    expect(bytes).toBeGreaterThan(LIMIT.maxBytes - 1.5 * SEGMENT_BYTES);
    expectTidy(store);
    await expect(store.get(floor - 1)).rejects.toMatchObject({ code: 'ERR_PRUNED', floor });
    expect(await store.append('s0', { type: 'WentOn' }, { expect: 19 })).toMatchObject({ revision: 20 });
    expect(await store.verify({ deep: true })).toMatchObject({ ok: true, problems: [] });
    expect(await store.prune(LIMIT)).toEqual({ floor, segments: 0, bytes: 0, left: null, clockDoubted: false });
    // Once: what comes later is kept.
    await fill(store, 60, 60);
    await store.seal();
    expect(store.stats().floor).toBe(floor);
  });

  test('goes as far as what is sealed: the newest segment stays', async () => {
    const store = await openWith(undefined, { sealing: 'on-demand' });
    expect(await store.prune(AGE)).toMatchObject({ segments: 0, left: null }); // there is no event that is old
    await fill(store, 5);
    expect(await store.prune(AGE)).toMatchObject({ segments: 0, left: null });
    await store.close();
    aDayLater();
    const again = await openWith(undefined, { dir: store.stats().dir, sealing: 'on-demand' });
    expect(await again.prune(AGE)).toEqual({ floor: 1, segments: 0, bytes: 0, left: 'unsealed', clockDoubted: false });
    expect(await again.read().toArray()).toHaveLength(5);
  });

  test('does not look at age after a jump of the clock, and says so; bytes count', async () => {
    const store = await filled();
    aDayLater();
    expect(await store.prune(AGE)).toMatchObject({ floor: 1, segments: 0, left: null, clockDoubted: true });
    const report = await store.prune({ ...AGE, ...LIMIT });
    expect(report).toMatchObject({ left: null, clockDoubted: true });
    expect(report.segments).toBeGreaterThan(1);
  });

  test('leaves what is being read, says so, and does not keep a limit of the store from it', async () => {
    const store = await filled(LIMIT);
    const rows = store.read()[Symbol.asyncIterator]();
    await rows.next();
    expect(await store.prune({ maxBytes: SEGMENT_BYTES })).toMatchObject({ floor: 1, segments: 0, left: 'being-read' });
    await rows.return?.(undefined);
    await vi.waitFor(() => expect(store.stats().bytes).toBeLessThanOrEqual(LIMIT.maxBytes), { timeout: 20_000 });
  });

  test('takes one call after the other', async () => {
    const store = await filled();
    const both = await Promise.all([store.prune(LIMIT), store.prune(LIMIT)]);
    const { floor } = store.stats();
    expect(both.map((report) => report.floor)).toEqual([floor, floor]);
    expect(both.map(({ segments }) => segments > 0)).toEqual([true, false]);
  });

  test('that is aborted removes nothing more', async () => {
    const store = await filled();
    const signal = AbortSignal.abort(new Error('enough'));
    await expect(store.prune(LIMIT, { signal })).rejects.toMatchObject({ code: 'ERR_ABORTED' });
    const controller = new AbortController();
    const pruning = store.prune(LIMIT, { signal: controller.signal });
    controller.abort(new Error('enough'));
    await expect(pruning).rejects.toMatchObject({ code: 'ERR_ABORTED', cause: { message: 'enough' } });
    expect(store.stats().floor).toBe(1);
    expect(await store.prune(LIMIT)).toMatchObject({ left: null });
    expect(store.stats().floor).toBeGreaterThan(20);
  });

  test('ends with the store, which is whole', async () => {
    const store = await filled();
    await store.seal();
    const pruning = store.prune(LIMIT).catch((error: unknown) => error);
    await store.close();
    const ended = await pruning;
    const again = await openWith(undefined, { dir: store.stats().dir, sealing: 'on-demand' });
    if (again.stats().floor === 1) expect(ended).toMatchObject({ code: 'ERR_CLOSED' });
    expectTidy(again);
    expect(filesOf(again, '.tmp')).toEqual([]);
    expect(await again.verify({ deep: true })).toMatchObject({ ok: true, events: 61 - again.stats().floor });
  });

  test('refuses what the option refuses, in the same words, and no limit at all', async () => {
    const store = await filled();
    for (const retention of [{ maxBytes: 1 }, { maxAgeMs: 999 }, { maxAge: 5 }, { maxBytes: '1' }, null, 5] as any[]) {
      const opening = await openStore({ dir: temporaryDir(), retention }).catch((error: unknown) => error);
      const { message, path } = opening as { message: string; path: string };
      const refused = { code: 'ERR_INVALID_OPTIONS', message, path };
      await expect(store.prune(retention), message).rejects.toMatchObject(refused);
    }
    for (const retention of [{}, undefined] as any[]) {
      await expect(store.prune(retention)).rejects.toMatchObject({ code: 'ERR_INVALID_OPTIONS', path: 'retention' });
    }
    await expect(store.prune(LIMIT, { dryRun: true } as object)).rejects.toMatchObject({ path: 'dryRun' });
    expect(store.stats().floor).toBe(1);
    expect(filesOf(store, '.sealed')).toEqual([]);
    const { dir } = store.stats();
    const reader = await openStore({ dir, readOnly: true });
    onTestFinished(() => reader.close());
    await expect(reader.prune(LIMIT)).rejects.toMatchObject({ code: 'ERR_INVALID_OPTIONS', path: 'readOnly' });
    await store.close();
    await expect(store.prune(LIMIT)).rejects.toMatchObject({ code: 'ERR_CLOSED' });
  });
});
