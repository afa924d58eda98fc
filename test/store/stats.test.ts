import { expect, it } from 'vitest';
import { openStoreOn } from '../../dist/main/store.js';
import { EMPTY_DISK } from '../crash/image.js';
import { InlineRuntime } from '../crash/inline-runtime.js';
import { intercept } from '../crash/intercept.js';
import { MemoryDisk } from '../crash/memory-disk.js';
import { OPTIONS } from '../crash/session.js';

/** More than may be open without a reader. */
const SEGMENTS = 40;

it('stats() has what deleted streams take in memory, also of a store that is only read', async () => {
  const disk = new MemoryDisk(EMPTY_DISK);
  const store = await openStoreOn(OPTIONS, new InlineRuntime(disk));
  const { tombstones: none } = store.stats().memory;
  const streams = Array.from({ length: 3000 }, (_, i) => `stream ${i}`);
  await Promise.all(streams.map((stream) => store.append(stream, { type: 'T' })));
  expect(store.stats().memory.tombstones).toEqual(none);
  await Promise.all(streams.map((stream) => store.deleteStream(stream)));
  const { bytes, budget } = store.stats().memory.tombstones;
  expect(bytes - none.bytes).toBeGreaterThan(3000 * 20);
  // Memory is taken 64 KiB at a time.
  expect(bytes - none.bytes).toBeLessThan(3000 * 64 + 65_536);
  expect(budget).toBe(64 * 1024 * 1024);
  const reader = await openStoreOn({ ...OPTIONS, readOnly: true }, new InlineRuntime(disk));
  expect(reader.stats().memory.tombstones).toEqual({ bytes, budget });
  await reader.close();
  await store.close();
});

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
