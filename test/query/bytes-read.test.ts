/** What `explain()` says was read: bytes of the files, whatever they become. */
import fs from 'node:fs';
import path from 'node:path';
import type { Store } from 'keeperlog';
import { expect, it } from 'vitest';
import { open, reopen } from '../support/stores.js';

const EVENT = { type: 'Said', data: { text: 'what an agent says. '.repeat(10) } };

function bytesOf(store: Store, ending: string): number {
  const { dir } = store.stats();
  const names = fs.readdirSync(dir).filter((name) => name.endsWith(ending));
  return names.reduce((sum, name) => sum + fs.statSync(path.join(dir, name)).size, 0);
}

it.each([
  ['lz4', 0.5],
  ['none', 1.1],
] as const)('of segments that are sealed with compression %s', async (compression, part) => {
  const filled = await open({ compression });
  for (let i = 0; i < 160; i++) await filled.append('s', Array(100).fill(EVENT));
  const { rawBytes } = await filled.seal();
  const store = await reopen(filled, { compression, cacheBytes: 0 });
  const rows = store.query({ where: { 'data.text': { prefix: 'nobody' } } });
  expect(await rows.toArray()).toEqual([]);
  const { bytesRead } = await rows.explain();
  const newest = store.stats().bytes - bytesOf(store, '.sealed');
  expect(bytesRead).toBeLessThan(part * rawBytes + newest);
  // All of it was read: every block, once at least.
  expect(bytesRead).toBeGreaterThan(0.8 * (bytesOf(store, '.sealed') - 160 * 100 * 32));
});
