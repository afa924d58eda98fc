import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { openStore } from '../../dist/main/index.js';

let dir = '';
beforeEach(() => {
  dir = fs.mkdtempSync(path.join(os.tmpdir(), 'keeperlog-unused-'));
});
afterEach(() => fs.rmSync(dir, { recursive: true, force: true }));

const segment = (number: number): string => path.join(dir, `segment-${String(number).padStart(10, '0')}.log`);

/** Fill segments of 64 KiB. */
async function appendSome(count: number): Promise<void> {
  const store = await openStore({ dir, segmentBytes: 65_536, sealing: 'on-demand' });
  for (let i = 0; i < count; i++) await store.append('s', { type: 'T', data: 'x'.repeat(10_000) });
  await store.close();
}

function eraseHeader(number: number): void {
  const handle = fs.openSync(segment(number), 'r+');
  fs.writeSync(handle, Buffer.alloc(4096), 0, 4096, 0);
  fs.closeSync(handle);
}

describe('segment files that were never used', () => {
  test('a store that was closed before its first append opens again', async () => {
    for (let i = 0; i < 3; i++) {
      const store = await openStore({ dir, sealing: 'on-demand' });
      expect(store.stats().durable).toBe(0);
      await store.close();
    }
    const reader = await openStore({ dir, readOnly: true });
    expect(await reader.read().toArray()).toEqual([]);
    await reader.close();
    await appendSome(1);
    const store = await openStore({ dir, sealing: 'on-demand' });
    expect(store.stats().durable).toBe(1);
    await store.close();
  });
  test('are passed over, however many there are', async () => {
    await appendSome(1);
    for (const number of [2, 3]) fs.writeFileSync(segment(number), Buffer.alloc(65_536));
    const store = await openStore({ dir, sealing: 'on-demand' });
    expect(store.stats()).toMatchObject({ durable: 1, segments: 1 });
    await store.close();
  });
  test('are not taken for a segment whose header was lost', async () => {
    await appendSome(20);
    eraseHeader(2);
    await expect(openStore(dir)).rejects.toMatchObject({ code: 'ERR_CORRUPT', file: segment(2) });
  });
  test('are not taken for the only segment after its header was lost', async () => {
    await appendSome(1);
    eraseHeader(1);
    await expect(openStore(dir)).rejects.toMatchObject({ code: 'ERR_CORRUPT', file: segment(1) });
  });
});
