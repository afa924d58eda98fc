/** Once a segment is compacted, everything goes by its new file: what is open, what is measured, what retention reckons with. */
import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import type { Store } from 'keeperlog';
import { expect, it, vi } from 'vitest';
import { logLines, openWith, SEGMENT_BYTES } from '../retention/kit.js';

/** What was removed takes no space once it is compressed; what is there is as random as it can be. */
const OPTIONS = { idempotency: { maxKeys: 0 }, compression: 'lz4' } as const;

/** One event of some 5 KB after the other, in three streams. */
async function fill(store: Store, events: number): Promise<void> {
  for (let i = 0; i < events; i++) await store.append(`s${i % 3}`, { type: 'Said', data: randomBytes(5000) });
}

/** A store of which every segment was read and measured, with a deleted stream; nothing was removed yet. */
async function deletedFrom(store: Store): Promise<Store> {
  await fill(store, 100);
  await store.deleteStream('s1');
  // The next segment: the newest one has nothing of it, and stays as it is.
  for (let i = 0; i < 15; i++) await store.append('other', { type: 'Said', data: randomBytes(5000) });
  await store.seal();
  expect((await store.read().toArray()).length).toBeGreaterThan(60);
  expect(store.stats().bytes).toBeGreaterThan(6 * SEGMENT_BYTES);
  return store;
}

function sealedFileBytes(store: Store): number {
  const { dir } = store.stats();
  const names = fs.readdirSync(dir).filter((name) => name.endsWith('.sealed'));
  return names.reduce((sum, name) => sum + fs.statSync(path.join(dir, name)).size, 0);
}

/** What this process has open of the store's sealed segments. */
function openFiles(store: Store): string[] {
  const { dir } = store.stats();
  const files = fs.readdirSync('/proc/self/fd').flatMap((fd) => {
    try {
      return [fs.readlinkSync(`/proc/self/fd/${fd}`)];
    } catch (error) {
      // Closed meanwhile, as that of the listing itself.
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
      throw error;
    }
  });
  return files.filter((file) => file.startsWith(dir) && file.includes('.sealed'));
}

it('stats() counts what the files take by then', async () => {
  const store = await deletedFrom(await openWith(undefined, { sealing: 'on-demand', ...OPTIONS }));
  const before = { files: sealedFileBytes(store), bytes: store.stats().bytes };
  expect((await store.compact()).events).toBeGreaterThan(20);
  const freed = before.files - sealedFileBytes(store);
  expect(freed).toBeGreaterThan(SEGMENT_BYTES);
  expect(before.bytes - store.stats().bytes).toBe(freed);
});

it.skipIf(process.platform !== 'linux')(
  'no file that was replaced is held open, and so its space is free',
  async () => {
    const store = await deletedFrom(await openWith(undefined, { sealing: 'on-demand', ...OPTIONS }));
    expect(openFiles(store).length).toBeGreaterThan(3);
    expect((await store.compact()).segments).toBeGreaterThan(3);
    expect(openFiles(store).filter((file) => file.endsWith(' (deleted)'))).toEqual([]);
  },
);

it('retention removes nothing as long as the log, compacted, is within its limit', async () => {
  const maxBytes = 12 * SEGMENT_BYTES;
  const { logger, lines } = logLines();
  const store = await deletedFrom(await openWith({ maxBytes }, { logger, ...OPTIONS }));
  const freed = (await store.compact()).freedBytes;
  expect(freed).toBeGreaterThan(2 * SEGMENT_BYTES);
  const pruned = (): number | undefined => {
    const line = lines.find(({ message }) => message === 'retention has removed the oldest segments');
    return line && store.stats().bytes + (line.fields.bytes as number);
  };
  while (pruned() === undefined && store.stats().bytes < maxBytes + 2 * SEGMENT_BYTES) {
    await fill(store, 2);
    await store.seal();
  }
  await vi.waitFor(() => expect(pruned()).toBeDefined(), { timeout: 20_000, interval: 20 });
  expect(pruned()).toBeGreaterThan(maxBytes);
});
