import fs from 'node:fs';
import path from 'node:path';
import { openStore } from 'keeperlog';
import { expect, test } from 'vitest';
import { emptyDir, run } from './keeperlog.js';

/** A store of which a stream was deleted, most of whose events are in a full segment. */
async function deletedIn(cwd: string): Promise<void> {
  const store = await openStore({ dir: path.join(cwd, 'data'), segmentBytes: 65_536, sealing: 'on-demand' });
  for (let i = 0; i < 20; i++)
    await store.append(i % 2 === 0 ? 'gone' : 'kept', { type: 'T', data: `${i}`.repeat(3000) });
  await store.deleteStream('gone');
  for (let i = 0; i < 10; i++) await store.append('kept', { type: 'T', data: 'x'.repeat(9000) });
  await store.close();
}

test('compact frees the space of all that was deleted, in a store smaller than a segment', async () => {
  const cwd = emptyDir();
  const store = await openStore({ dir: path.join(cwd, 'data') });
  for (let i = 0; i < 20; i++) await store.append('gone', { type: 'T', data: `gone ${i}`.repeat(300) });
  await store.append('kept', { type: 'T' });
  await store.deleteStream('gone');
  await store.close();
  const { code, stdout } = await run(cwd, 'compact');
  expect([code, stdout]).toEqual([0, expect.stringMatching(/^removed 20 events of 1 segment: .* are free\n$/)]);
  for (const name of fs.readdirSync(path.join(cwd, 'data')).filter((file) => file.startsWith('segment-'))) {
    expect(fs.readFileSync(path.join(cwd, 'data', name)).includes('gone 7'), name).toBe(false);
  }
  expect((await run(cwd, 'compact')).stdout).toBe('nothing to remove\n');
  expect((await run(cwd, 'append', 'kept', 'T')).code).toBe(0);
  expect((await run(cwd, 'verify', '--deep')).code).toBe(0);
});

test('compact frees the space of deleted events, and says how much and what is left', async () => {
  const cwd = emptyDir();
  await deletedIn(cwd);
  const { code, stdout } = await run(cwd, 'compact');
  expect(code).toBe(0);
  expect(stdout).toMatch(/^removed 10 events of \d segments?: .* are free\n$/);
  expect((await run(cwd, 'compact')).stdout).toBe('nothing to remove\n');
  const json = await run(cwd, 'compact', '--json');
  expect(JSON.parse(json.stdout)).toEqual({ segments: 0, events: 0, freedBytes: 0, later: { keys: 0, unsealed: 0 } });
  expect((await run(cwd, 'verify', '--deep')).code).toBe(0);
});
