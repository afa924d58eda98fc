/** A long read shares its thread with everything else that runs there. */
import { expect, test } from 'vitest';
import { open } from '../support/stores.js';

const EVENTS = 5000;

test.each([
  ['from the cache', {}, {}],
  ['from files, a stream among others', { cacheBytes: 0 }, { streams: 's1' }],
])('what else is to be done is done during a read %s', async (_, options, selector) => {
  const store = await open(options);
  for (let i = 0; i < EVENTS / 50; i++) {
    await store.append(
      `s${i % 2}`,
      Array.from({ length: 50 }, () => ({ type: 'A' })),
    );
  }
  let turns = 0;
  let reading = true;
  const turned = (): void => {
    turns++;
    if (reading) setImmediate(turned);
  };
  setImmediate(turned);
  let batches = 0;
  for await (const rows of store.read(selector).batches()) {
    batches += rows.length > 0 ? 1 : 0;
    // A reader that has work of its own with each batch.
    for (const end = performance.now() + 6; performance.now() < end; );
  }
  reading = false;
  expect(batches).toBeGreaterThan(5);
  expect(turns).toBeGreaterThanOrEqual(batches - 2);
  await store.close();
});
