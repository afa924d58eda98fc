/** Sealing in the background: segments are sealed as they become full, and nobody has to ask for it. */
import fs from 'node:fs';
import path from 'node:path';
import type { Logger, Store, StoreOptions } from 'keeperlog';
import { describe, expect, test, vi } from 'vitest';
import { open, reopen } from '../support/stores.js';

const EVENT = { type: 'A', data: 'what an agent says. '.repeat(250), tags: ['x'] };
/** Some ten events a segment. */
const BACKGROUND: Partial<StoreOptions> = { segmentBytes: 65_536, sealing: 'background' };

/** So many events, and what is read of them. */
async function fill(store: Store, events: number): Promise<void> {
  for (let i = 0; i < events; i++) await store.append(`s${i % 3}`, EVENT);
}

function files(store: Store, ending: string): string[] {
  return fs.readdirSync(store.stats().dir).filter((name) => name.endsWith(ending));
}

/** Until so many segments are sealed, all but the newest unless told otherwise, and their raw files are gone. */
async function untilSealed(store: Store, count = store.stats().segments - 1): Promise<void> {
  const check = (): void => {
    const sealed = files(store, '.sealed').map((name) => name.replace('.sealed', '.log'));
    expect(sealed).toHaveLength(count);
    expect(files(store, '.log').filter((name) => sealed.includes(name))).toEqual([]);
  };
  await vi.waitFor(check, { timeout: 20_000, interval: 20 });
}

/** A logger that keeps its warnings. */
function warnings(): { logger: Logger; said: { fields: object; message: string }[] } {
  const said: { fields: object; message: string }[] = [];
  const keep = (fields: object, message: string): void => void said.push({ fields, message });
  return { logger: { error: keep, warn: keep, info() {}, debug() {} }, said };
}

describe('in the background', () => {
  test('a segment is sealed once it is full, and everything is read as before', async () => {
    const { logger, said } = warnings();
    const store = await open({ ...BACKGROUND, cacheBytes: 0, logger });
    await fill(store, 60);
    const texts = (await store.read().toArray()).map((event) => JSON.stringify(event));
    await untilSealed(store);
    await fill(store, 30);
    await untilSealed(store);
    expect((await store.watermarks()).sealed).toBeGreaterThan(60);
    expect(files(store, '.log').length).toBeLessThanOrEqual(2); // the newest, and one made ready
    const rows = await store.read().toArray();
    expect(rows).toHaveLength(90);
    expect(rows.slice(0, 60).map((event) => JSON.stringify(event))).toEqual(texts);
    expect(await store.verify({ deep: true })).toMatchObject({ ok: true, events: 90 });
    expect(said).toEqual([]);
  });

  test('what was full is sealed once the store is open again', async () => {
    const store = await open({ segmentBytes: 65_536 });
    await fill(store, 60);
    expect(files(store, '.sealed')).toEqual([]);
    const again = await reopen(store, BACKGROUND);
    await untilSealed(again);
    expect(await again.read().toArray()).toHaveLength(60);
  });

  test('and a store that is closed meanwhile ends at once, and goes on the next time', async () => {
    let store = await open(BACKGROUND);
    await fill(store, 200);
    const segments = store.stats().segments;
    store = await reopen(store, { segmentBytes: 65_536 });
    expect(files(store, '.tmp')).toEqual([]); // what was left in the middle is removed
    expect(await store.verify({ deep: true })).toMatchObject({ ok: true, events: 200 });
    store = await reopen(store, BACKGROUND);
    expect(store.stats().segments).toBe(segments);
    await untilSealed(store);
    expect(await store.verify({ deep: true })).toMatchObject({ ok: true, events: 200 });
  });

  test('a segment that does not verify is told of once, and left as it is; the others are sealed', async () => {
    const store = await open({ segmentBytes: 65_536 });
    await fill(store, 60);
    const { dir } = store.stats();
    await store.close();
    const file = path.join(dir, 'segment-0000000002.log');
    const bytes = fs.readFileSync(file);
    bytes[20_000]! ^= 1;
    fs.writeFileSync(file, bytes);
    const { logger, said } = warnings();
    const again = await open({ ...BACKGROUND, dir, logger });
    await untilSealed(again, again.stats().segments - 2);
    await fill(again, 30);
    await untilSealed(again, again.stats().segments - 2);
    expect(fs.readFileSync(file).equals(bytes)).toBe(true);
    expect(said).toEqual([
      {
        fields: { dir, err: expect.objectContaining({ code: 'ERR_CORRUPT', file }) },
        message: 'a full segment could not be sealed, and stays as it is',
      },
    ]);
    expect((await again.watermarks()).sealed).toBeLessThan(25);
  });

  test('unless it is only to be done on demand', async () => {
    const store = await open({ segmentBytes: 65_536, sealing: 'on-demand' });
    await fill(store, 60);
    expect(await store.watermarks()).toMatchObject({ sealed: 0, durable: 60 });
    const { segments } = await store.seal();
    expect(segments).toBe(store.stats().segments - 1);
  });
});
