import fs from 'node:fs';
import path from 'node:path';
import { openStore } from 'keeperlog';
import { expect, test } from 'vitest';
import { emptyDir, run } from './keeperlog.js';

test('seal says where an index could not be made, and makes it the next time', async () => {
  const cwd = emptyDir();
  const dir = path.join(cwd, 'data');
  const store = await openStore({ dir, segmentBytes: 65_536, sealing: 'on-demand' });
  for (let i = 0; i < 12; i++) await store.append('a', { type: 'Said', data: 'x'.repeat(30_000) });
  await store.close();
  const indexes = [1, 2, 3].map((number) => path.join(dir, `segment-000000000${number}.index`));
  // Nothing can be renamed to the name of a directory.
  for (const index of indexes) fs.mkdirSync(index);
  const failed = await run(cwd, 'seal');
  expect(failed.code).toBe(0);
  expect(failed.stdout).toMatch(/^sealed \d segments?: /);
  expect(failed.stderr).toMatch(/^the index of \d sealed segments? could not be made: .*seal again\.\n$/);
  for (const index of indexes) fs.rmdirSync(index);
  const done = await run(cwd, 'seal', '--json');
  expect(done).toMatchObject({ code: 0, stderr: '' });
  expect(JSON.parse(done.stdout)).toMatchObject({ indexesMissing: 0 });
  for (const index of indexes) expect(fs.statSync(index).isFile()).toBe(true);
});
