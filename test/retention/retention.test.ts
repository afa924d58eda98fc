/** What is removed, and what a user of the store sees of it. */
import { describe, expect, test } from 'vitest';
import { reopen } from '../support/stores.js';
import { fill, filesOf, openWith, SEGMENT_BYTES, untilWithin } from './kit.js';

const LIMIT = { maxBytes: 4 * SEGMENT_BYTES };

describe('a limit on bytes', () => {
  test('has the oldest sealed segments go, whole, and no more than has to', async () => {
    const store = await openWith(LIMIT);
    await fill(store, 120);
    const floor = await untilWithin(store, LIMIT.maxBytes);
    const rows = await store.read().toArray();
    expect(rows[0]!.sequence).toBe(floor);
    expect(rows.at(-1)!.sequence).toBe(120);
    expect(rows).toHaveLength(121 - floor);
    const { bytes, segments } = store.stats();
    expect(bytes).toBeGreaterThan(LIMIT.maxBytes - 1.5 * SEGMENT_BYTES);
    expect(segments).toBeLessThan(6);
    expect(await store.verify({ deep: true })).toMatchObject({ ok: true, events: rows.length });
    expect(filesOf(store, '.tmp')).toEqual([]);
  });

  test('holds after the store was opened again, with or without one', async () => {
    const store = await openWith(LIMIT);
    await fill(store, 120);
    const floor = await untilWithin(store, LIMIT.maxBytes);
    const again = await reopen(store, { segmentBytes: SEGMENT_BYTES });
    expect(again.stats().floor).toBe(floor);
    await fill(again, 30, 120);
    expect(await again.read().toArray()).toHaveLength(151 - floor);
    expect(again.stats().floor).toBe(floor);
  });
});
