import { expect, it } from 'vitest';
import { openStoreOn } from '../../dist/main/store.js';
import { EMPTY_DISK } from '../crash/image.js';
import { InlineRuntime } from '../crash/inline-runtime.js';
import { intercept } from '../crash/intercept.js';
import { MemoryDisk } from '../crash/memory-disk.js';
import { OPTIONS } from '../crash/session.js';

/** More than may be open without a reader. */
const SEGMENTS = 40;

it('stats() opens the file of a segment once, however many there are and however often it is asked', async () => {
  const disk = new MemoryDisk(EMPTY_DISK);
  let opened = 0;
  const counting = intercept(disk, {
    openRead(file) {
      opened++;
      return disk.openRead(file);
    },
  });
  const store = await openStoreOn(OPTIONS, new InlineRuntime(counting));
  for (let i = 0; i < SEGMENTS; i++) await store.append('a', { type: 'Large', data: 'x'.repeat(50_000) });
  const before = store.stats();
  expect(before.segments).toBeGreaterThanOrEqual(SEGMENTS);
  expect(opened).toBeGreaterThan(0);
  opened = 0;
  expect(store.stats().bytes).toBe(before.bytes);
  expect(opened).toBe(0);
  await store.seal();
  expect(store.stats().bytes).toBeLessThan(before.bytes / 2);
  await store.close();
});
