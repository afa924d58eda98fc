/** A loop of reads that are served from memory leaves the event loop its turns. */
import type { Store } from 'keeperlog';
import { describe, expect, test } from 'vitest';
import { open } from '../support/stores.js';

/** After so long a loop that does not end is ended, and has failed. Unit: milliseconds. */
const TOO_LONG = 10_000;

const READS: Record<string, (store: Store) => Promise<unknown>> = {
  get: (store) => store.get(1),
  head: (store) => store.head(),
  'head of a stream': (store) => store.head('s'),
  read: (store) => store.read({ types: 'B' }).toArray(),
  readStream: (store) => store.readStream('s', { limit: 1 }).first(),
  query: (store) => store.query({ where: { type: { eq: 'B' } } }).toArray(),
  page: (store) => store.query({ where: { type: { eq: 'B' } }, limit: 1 }).page(),
  'a count': (store) => store.query({ aggregate: { count: true } }).toArray(),
  streams: (store) => store.streams({ limit: 1 }).toArray(),
};

describe.each(Object.keys(READS))('a loop of %s', (name) => {
  test.each(['an empty store', 'a store with events'])('lets what it waits for happen: in %s', async (what) => {
    const store = await open();
    if (what === 'a store with events') await store.append('s', [{ type: 'A' }, { type: 'B' }]);
    let appended = false;
    const appending = store.append('s', { type: 'C' }).then(() => {
      appended = true;
    });
    let ticks = 0;
    const timer = setInterval(() => ticks++, 1);
    const began = performance.now();
    while ((!appended || ticks < 3) && performance.now() - began < TOO_LONG) await READS[name]!(store);
    clearInterval(timer);
    expect({ appended, ticks }).toEqual({ appended: true, ticks: expect.any(Number) });
    expect(ticks).toBeGreaterThanOrEqual(3);
    await appending;
  });
});
