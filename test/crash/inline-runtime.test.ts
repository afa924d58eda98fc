import { expect, it } from 'vitest';
import { openStoreOn } from '../../dist/main/store.js';
import { EMPTY_DISK } from './image.js';
import { InlineRuntime } from './inline-runtime.js';
import { MemoryDisk } from './memory-disk.js';
import { OPTIONS, Session } from './session.js';

it('a store without threads appends, blocks in appendSync, reads, closes and opens again', async () => {
  const disk = new MemoryDisk(EMPTY_DISK);
  const store = await openStoreOn(OPTIONS, new InlineRuntime(disk));
  const appended = store.append('a', { type: 'Happened' });
  expect(store.appendSync('a', { type: 'Happened' })).toMatchObject({ firstSequence: 2, revision: 1 });
  expect(await appended).toMatchObject({ firstSequence: 1, durability: 'synced' });
  await store.close();
  const again = await openStoreOn(OPTIONS, new InlineRuntime(disk));
  expect((await again.readStream('a').toArray()).map(({ sequence }) => sequence)).toEqual([1, 2]);
  expect(again.stats().recovery.clean).toBe(true);
  await again.close();
});

it('a process that dies before the sync of a group commit acknowledges nothing of it', async () => {
  const session = new Session();
  await session.open();
  await session.append('a', 10);
  await session.dieAppending('die-before-sync', 'a', 10);
  expect(session.promised).toMatchObject({ acknowledged: 1 });
  expect(session.promised.calls).toHaveLength(2);
});
